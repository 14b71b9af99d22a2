"""A container engine for the proof of the stack, on a machine that has none running and no registry to pull from.

The engine is dockerd with a folder of its own for all that it keeps, started here and ended by its pid. Base images are
Debian by mmdebstrap; standins/ has what takes the place of the official images on top of them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

STANDINS = Path(__file__).parent / "standins"
# Tools that the machine may lack -> the Debian package that has them.
TOOLS = {"dockerd": "docker.io", "docker": "docker.io", "iptables": "iptables", "mmdebstrap": "mmdebstrap"}
# Debian release -> what it must have beyond the least: bookworm has the Python of the project, trixie PostgreSQL 17 and
# Compose v2.
RELEASES = {"bookworm": "ca-certificates,python3,python3-venv", "trixie": "ca-certificates"}
# As the official images do: no manuals and no translations.
LEAN = [
    f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "info", "locale", "man", "i18n", "lintian")
]


class NoEngine(Exception):
    """No engine can be started here; says why."""


@dataclass(frozen=True)
class Engine:
    """A running engine. environment: what `docker` needs to reach it."""

    work: Path
    environment: dict[str, str]

    def docker(self, *arguments: str, timeout: float = 120, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `docker ...`. Raises RuntimeError with what it said when it fails."""
        return run(["docker", *arguments], timeout, self.environment, check)

    def build(self, name: str, folder: str, **arguments: str) -> str:
        """Build an image of standins/; returns its name."""
        context = self.work / "standins" / folder
        options = [f"--build-arg={key.upper()}={value}" for key, value in arguments.items()]
        self.docker("build", "-q", "-t", name, *options, str(context), timeout=300)
        return name


def run(
    command: list[str], timeout: float, environment: dict[str, str] | None = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a command. Raises RuntimeError with the end of what it said when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}\n{(done.stdout + done.stderr)[-3000:]}")
    return done


@contextmanager
def started(work: Path) -> Iterator[Engine]:
    """An engine for as long as the context lasts; nothing of it is left. Raises NoEngine."""
    _install_tools()
    folder = work / "engine"
    folder.mkdir(parents=True)
    log = folder / "dockerd.log"
    socket = f"unix://{folder}/docker.sock"
    command = ["dockerd", "--data-root", str(folder / "data"), "--exec-root", str(folder / "exec"),
               "--pidfile", str(folder / "dockerd.pid"), "--host", socket]  # fmt: skip
    environment = {**os.environ, "DOCKER_HOST": socket, "DOCKER_CONFIG": str(work / "client"), "DOCKER_BUILDKIT": "1"}
    with log.open("wb") as output:
        daemon = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    engine = Engine(work, environment)
    try:
        for _ in range(120):
            if engine.docker("info", check=False).returncode == 0:
                break
            if daemon.poll() is not None:
                break
            time.sleep(0.5)
        else:
            raise NoEngine(f"dockerd gave no answer in a minute; the end of its log:\n{_end(log)}")
        if daemon.poll() is not None:
            raise NoEngine(f"dockerd ended with {daemon.returncode}; the end of its log:\n{_end(log)}")
        yield engine
    finally:
        daemon.terminate()
        try:
            daemon.wait(60)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _end(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])


def _install_tools() -> None:
    if os.geteuid() != 0:
        raise NoEngine("an engine can only be started by root: run `sudo make test-stack`")
    packages = {package for tool, package in TOOLS.items() if shutil.which(tool) is None}
    if not packages:
        return
    if shutil.which("apt-get") is None:
        raise NoEngine(f"{', '.join(sorted(packages))} missing, and no apt-get to install them")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        run(["apt-get", "update", "-q"], 300, environment)
        run(["apt-get", "install", "-y", "-q", "--no-install-recommends", *sorted(packages)], 600, environment)
    except RuntimeError as error:
        raise NoEngine(f"{', '.join(sorted(packages))} cannot be installed: {error}") from error


def make_images(engine: Engine) -> dict[str, str]:
    """Make the base images and the stand-ins, and give the engine Compose; returns the variables that name them."""
    shutil.copytree(STANDINS, engine.work / "standins", dirs_exist_ok=True)
    authorities = engine.work / "standins" / "python" / "ca"
    authorities.mkdir(exist_ok=True)
    for certificate in Path("/usr/local/share/ca-certificates").glob("*.crt"):
        shutil.copy(certificate, authorities)
    for release, packages in RELEASES.items():
        archive = engine.work / f"{release}.tar"
        run(["mmdebstrap", "-q", "--variant=minbase", f"--include={packages}", *LEAN, release, str(archive)], 600)
        engine.docker("import", str(archive), f"proof/{release}:1")
        archive.unlink()
    _add_compose(engine)
    python = engine.build("proof/python:1", "python", raw_image="proof/bookworm:1")
    return {
        "BASE_IMAGE": python,
        "POSTGRES_IMAGE": engine.build("proof/postgres:1", "postgres", raw_image="proof/trixie:1"),
        "MAIL_IMAGE": engine.build("proof/mail:1", "mail", base_image=python),
        "STACK_IMAGE": "proof/amkpi:1",
    }


def _add_compose(engine: Engine) -> None:
    """Give the engine's client Compose v2 and buildx, from the packages of Debian trixie."""
    plugins = Path(engine.environment["DOCKER_CONFIG"]) / "cli-plugins"
    plugins.mkdir(parents=True)
    fetch = (
        "cd /tmp && apt-get -qq update && apt-get -qq download docker-compose docker-buildx"
        " && for package in *.deb; do dpkg -x $package unpacked; done"
        " && cp unpacked/usr/libexec/docker/cli-plugins/* /plugins/"
    )
    engine.docker("run", "--rm", "-v", f"{plugins}:/plugins", "proof/trixie:1", "sh", "-c", fetch, timeout=300)
