"""A real Airflow on this machine's loopback, over PostgreSQL and, for Celery, Redis: no containers."""

from __future__ import annotations

import configparser
import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from amkpi.core.paths import DAGS
from tests.exports.postgres.server import Server
from tests.paths import ROOT

DATABASE = "airflow"
COMPONENTS = ("api-server", "dag-processor", "triggerer", "scheduler")


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, and those that they have started."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
                parents.setdefault(parent, []).append(int(folder.name))
    found, look = [], [pid]
    while look:
        children = parents.get(look.pop(), [])
        found += children
        look += children
    return found


def _pss(pid: int) -> float:
    """MB of a process; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


@dataclass
class Airflow:
    """Airflow's processes. variables: AMKPI_* and AIRFLOW__* of this Airflow, over the settings of the stack."""

    folder: Path
    database: Server
    variables: Mapping[str, str]
    port: int = field(default_factory=free_port)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _environment: dict[str, str] = field(default_factory=dict)

    def prepare(self) -> None:
        """Make the configuration from the stack's, and the database with the pools."""
        stack = configparser.ConfigParser(interpolation=None)
        stack.read(ROOT / "stack" / "airflow" / "airflow.cfg")
        (self.folder / "config").mkdir(parents=True)
        local = (ROOT / "stack" / "airflow" / "config" / "airflow_local_settings.py").read_text()
        (self.folder / "config" / "airflow_local_settings.py").write_text(local)
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("AMKPI_", "AIRFLOW"))}
        # Airflow takes a variable before the file, and a value before a command.
        own = {
            "CORE__DAGS_FOLDER": str(DAGS),
            "CORE__AUTH_MANAGER": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
            "CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{self.port}/execution/",
            "CORE__FERNET_KEY": "",
            "DATABASE__SQL_ALCHEMY_CONN": self._address("postgresql+psycopg2"),
            "DATABASE__SQL_ALCHEMY_CONN_ASYNC": self._address("postgresql+asyncpg"),
            "API__SECRET_KEY": secrets.token_hex(16),
            "API__PORT": str(self.port),
            "API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "LOGGING__BASE_LOG_FOLDER": str(self.folder / "logs"),
            "LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(self.folder / "logs" / "dag_processor"),
            "SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(free_port()),
        }
        for section in stack.sections():
            for key, value in stack[section].items():
                if not key.endswith("_cmd"):
                    own.setdefault(f"{section.upper()}__{key.upper()}", value)
        self._environment = {
            **clean,
            **{f"AIRFLOW__{name}": value for name, value in own.items()},
            "AIRFLOW_HOME": str(self.folder),
            "PYTHONPATH": str(ROOT),
            **self.variables,
        }
        self.database.rows("postgres", f"create database {DATABASE}")
        self.run("from airflow.utils.db import initdb; initdb()")
        self.run("from amkpi.interfaces.airflow.task_defaults import ensure_pools; ensure_pools()")

    def _address(self, driver: str) -> str:
        return f"{driver}://postgres@/{DATABASE}?host={self.database.folder}"

    def run(self, code: str, **variables: str) -> str:
        """Run a line of Python beside Airflow; returns what it printed. Raises CalledProcessError."""
        environment = {**self._environment, **variables}
        return subprocess.run(
            [sys.executable, "-c", code], env=environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    def start(self, name: str, *command: str, **variables: str) -> None:
        """Start a component: `airflow NAME`, or the command after `airflow` if one is given."""
        log: IO[bytes]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", "airflow", *(command or (name,))],
                env={**self._environment, **variables},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start_all(self, components: tuple[str, ...] = COMPONENTS) -> None:
        """Start the components, the API server first: a task that starts before it fails without a log."""
        for name in components:
            extra = ("--skip-serve-logs",) if name in ("triggerer", "scheduler") else ()
            self.start(name, name, *extra)
            if name == "api-server":
                self.wait_for_api()

    def wait_for_api(self, seconds: float = 120) -> None:
        """Until the API server answers. Raises TimeoutError."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v2/monitor/health", timeout=5):
                    return
            except OSError:
                time.sleep(1)
        raise TimeoutError(f"no API server after {seconds} s: {self.folder}/api-server.log")

    def kill(self, name: str) -> None:
        """End a component and all that it has started with SIGKILL, as a container goes."""
        process = self.processes.pop(name)
        for pid in (process.pid, *descendants(process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        """End everything that was started here."""
        for process in self.processes.values():
            os.killpg(process.pid, signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
        self.processes.clear()

    def memory(self) -> dict[str, float]:
        """MB that each component uses, with its children; memory that processes share is counted once (PSS)."""
        used = {}
        for name, process in self.processes.items():
            used[name] = sum(map(_pss, (process.pid, *descendants(process.pid))))
        postmaster = int((self.database.folder / "data" / "postmaster.pid").read_text().split()[0])
        used["database"] = sum(map(_pss, (postmaster, *descendants(postmaster))))
        return used

    def cpu(self) -> dict[str, float]:
        """Seconds of CPU that each component has used, with those of its children that have ended."""
        used = {}
        for name, process in self.processes.items():
            values = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
            used[name] = sum(map(int, values[11:15])) / os.sysconf("SC_CLK_TCK")
        return used

    def rows(self, sql: str, *values: object) -> list[tuple[object, ...]]:
        """What Airflow's database has."""
        return self.database.rows(DATABASE, sql, *values)


@contextmanager
def airflow(folder: Path, database: Server, variables: Mapping[str, str]) -> Iterator[Airflow]:
    """An Airflow with an empty database; everything that it started has ended afterwards."""
    made = Airflow(folder, database, variables)
    made.prepare()
    try:
        yield made
    finally:
        made.stop()
