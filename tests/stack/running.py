"""The stack while it runs, as somebody outside of it sees it: files to drop, what readers see, what Airflow tells."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from tests.paths import ROOT
from tests.stack.engine import Engine, run

PROJECT = "amkpiproof"
OPERATOR = "ops@agency.example"
SERVICES = ("postgres", "api-server", "scheduler", "dag-processor", "triggerer")
BEHIND_PROFILES = ("mail", "pages", "marts-db")


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Stack:
    """One compose project. variables: what docker-compose.yml takes from the environment."""

    engine: Engine
    variables: Mapping[str, str]
    project: str = PROJECT
    _token: str = field(default="", repr=False)
    _volumes: dict[str, Path] = field(default_factory=dict, repr=False)

    def compose(self, *arguments: str, timeout: float = 600, check: bool = True) -> str:
        """Run `docker compose ...` with every profile; returns what it printed."""
        file = self.engine.work / "stack.env"
        file.write_text("".join(f"{name}={value}\n" for name, value in self.variables.items()))
        # What an agency puts into .env, which is none of the proof's to write.
        agency = self.engine.work / "agency.yml"
        own = {"AMKPI_OPERATOR_EMAIL": OPERATOR, "AMKPI_PAGES_URL": self.pages_url}
        marts = {"AMKPI_POSTGRES_URL_FILE": "/run/secrets/marts_url"}
        changed = {"init": marts, "scheduler": own | marts, "pages": own}
        agency.write_text(json.dumps({"services": {name: {"environment": each} for name, each in changed.items()}}))
        command = ["docker", "compose", "--project-name", self.project, "--env-file", str(file)]
        command += ["--profile", "dev", "--profile", "pages", "--profile", "postgres"]
        command += ["--file", str(ROOT / "docker-compose.yml"), "--file", str(agency), *arguments]
        # Nothing of this shell's own may change what the file says.
        clean = {
            name: value
            for name, value in self.engine.environment.items()
            if not name.startswith(("AMKPI_", "COMPOSE_", "AIRFLOW")) and name not in self.variables
        }
        return run(command, timeout, clean, check).stdout

    @property
    def pages_url(self) -> str:
        """Where readers find the pages."""
        return f"http://127.0.0.1:{self.variables['PAGES_PORT']}"

    def up(self) -> None:
        """Start it, and wait until all is healthy."""
        self.compose("up", "--detach", "--wait", "--no-build")

    def volume(self, name: str) -> Path:
        """Where a volume lies on this machine."""
        # Asked once: who looks for a publication five times a second must not take the time that it measures.
        if name not in self._volumes:
            asked = self.engine.docker("volume", "inspect", f"{self.project}_{name}", "--format", "{{.Mountpoint}}")
            self._volumes[name] = Path(asked.stdout.strip())
        return self._volumes[name]

    def inspect(self, service: str) -> dict[str, Any]:
        """What the engine says of a service's container."""
        told: list[dict[str, Any]] = json.loads(self.engine.docker("inspect", f"{self.project}-{service}-1").stdout)
        return told[0]

    def kill(self, service: str) -> None:
        """End a service's main process with SIGKILL, as the kernel would.

        Not by `docker kill`: that counts as wanted, and no container comes back after it.
        """
        pid = int(self.inspect(service)["State"]["Pid"])
        if self.inspect(service)["HostConfig"].get("Init"):
            pid = int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)

    def is_healthy(self, service: str) -> bool:
        """Whether the engine calls it healthy."""
        state = self.inspect(service)["State"]
        return state["Running"] and state["Health"]["Status"] == "healthy"

    def current(self) -> Path | None:
        """The file that readers open, or None before the first publication."""
        published = self.volume("published")
        try:
            return published / (published / "current.duckdb").readlink().name
        except FileNotFoundError:
            return None

    def ask(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of what is published now; none before the first publication."""
        file = self.current()
        if file is None:
            return []
        with duckdb.connect(str(file), read_only=True) as connection:
            return connection.execute(sql, list(values)).fetchall()

    def ask_database(self, sql: str, user: str = "postgres") -> str:
        """What psql prints in the database of the marts, without headers; empty where it cannot be asked."""
        command = ["exec", "-T", "marts-db", "psql", "-qAt", "-d", "kpi", "-U", user, "-c", sql]
        return self.compose(*command, check=False).strip()

    def is_exported(self) -> bool:
        """Whether the database has what readers see in the file."""
        publications = self.ask("select publication_id from marts.publication")
        return bool(publications) and self.ask_database("table amkpi.state").startswith(f"{publications[0][0]}|")

    def api(self, path: str, body: Any = None) -> Any:
        """Ask Airflow's API, or send it a body."""
        if not self._token:
            password = Path(self.variables["SECRETS_DIR"], "admin_password").read_text()
            self._token = self._call("/auth/token", {"username": "admin", "password": password})["access_token"]
        return self._call(f"/api/v2/{path}", body)

    def sign_out(self) -> None:
        """Forget who we are: the next question signs in with the password as it is then."""
        self._token = ""

    def _call(self, path: str, body: Any) -> Any:
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        address = f"http://127.0.0.1:{self.variables['AIRFLOW_PORT']}{path}"
        with urllib.request.urlopen(urllib.request.Request(address, data, headers), timeout=60) as answer:
            return json.loads(answer.read())

    def trigger(self, dag_id: str) -> str:
        """Start a DAG by hand, and wait until it ended; returns its run's path in the API."""
        run_id = self.api(f"dags/{dag_id}/dagRuns", {"logical_date": None})["dag_run_id"]
        path = f"dags/{dag_id}/dagRuns/{urllib.parse.quote(run_id)}"
        until(lambda: self.api(path)["state"] in {"success", "failed"}, f"the end of {dag_id}")
        return path

    def mailed(self, to: str) -> list[str]:
        """The subjects of what was mailed to somebody."""
        return [each["Subject"] for each in self._mails(to)]

    def mail_text(self, to: str) -> str:
        """The text of the last mail to somebody; empty where there is none."""
        mails = self._mails(to)
        return str(self._mail_server(f"message/{mails[-1]['ID']}")["Text"]) if mails else ""

    def _mails(self, to: str) -> list[dict[str, Any]]:
        messages = self._mail_server("messages")["messages"]
        return [each for each in messages if to in [who["Address"] for who in each["To"]]]

    def _mail_server(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.variables['MAIL_PORT']}/api/v1/{path}") as answer:
            return json.loads(answer.read())

    def task_runs(self, dag_id: str, since: datetime) -> list[dict[str, Any]]:
        """The task instances of a DAG that started since then, oldest first."""
        after = urllib.parse.quote(since.isoformat())
        told = self.api(f"dags/{dag_id}/dagRuns/~/taskInstances?start_date_gte={after}&order_by=start_date&limit=1000")
        return [each for each in told["task_instances"] if each["start_date"]]

    def is_idle(self) -> bool:
        """Whether nothing runs, waits to run, or waits in LANDING. False while the API cannot be asked."""
        try:
            told = self.api("dags/~/dagRuns?state=running&state=queued&limit=50")["dag_runs"]
        except (OSError, urllib.error.HTTPError):
            return False
        chain = {"amkpi_load_extracts", "amkpi_build_marts", "amkpi_send_scorecards"}
        return not [each for each in told if each["dag_id"] in chain]


def until(true: Callable[[], bool], what: str, seconds: float = 300, pause: float = 0.2) -> float:
    """Wait until it is true; returns after how many seconds. Raises TimeoutError that says what did not come."""
    begin = time.monotonic()
    while not true():
        if time.monotonic() - begin > seconds:
            raise TimeoutError(f"not within {seconds:.0f} s: {what}")
        time.sleep(pause)
    return time.monotonic() - begin


@dataclass
class Sender:
    """Drops files with one client each, who nobody else delivers, and knows them all."""

    stack: Stack
    sent: dict[str, str] = field(default_factory=dict)  # file name below LANDING -> client_id

    def drop(self, count: int = 1) -> list[str]:
        """Drop new files; returns their client ids."""
        clients = []
        for _ in range(count):
            number = len(self.sent) + 1
            client, name = f"T{number:05d}", f"clients/drop-{number:05d}.csv"
            self.sent[name] = client
            self.write(name, client)
            clients.append(client)
        return clients

    def write(self, name: str, client: str) -> None:
        """A file of one client, as a whole."""
        text = f"client_id,client_name,industry\n{client},Công ty Thử nghiệm {client},retail\n"
        (self.stack.volume("landing") / name).write_text(text, encoding="utf-8")

    def published(self) -> set[str]:
        """Those of our clients that readers see."""
        return {row[0] for row in self.stack.ask("select client_id from marts.dim_client where client_id like 'T%'")}

    def all_published(self) -> bool:
        """Whether readers see all that was ever dropped."""
        return self.published() >= set(self.sent.values())

    def amiss(self) -> list[str]:
        """Files that readers' ledger does not hold loaded just once, with their one row."""
        held = dict(
            self.stack.ask(
                "select file_name, string_agg(status || ':' || rows_loaded, ',' order by delivery)"
                " from marts.load_ledger where file_name like '%drop-%' group by file_name"
            )
        )
        return [f"{name}: {held.get(name)}" for name in self.sent if held.get(name) != "loaded:1"]


def now() -> datetime:
    """This moment, with its zone."""
    return datetime.now(UTC)


def seconds_between(one: str, other: str) -> float:
    """Between two moments as Airflow writes them."""
    return (datetime.fromisoformat(other) - datetime.fromisoformat(one)).total_seconds()


@contextlib.contextmanager
def timed(what: str, say: Callable[[str], None]) -> Any:
    """Say how long it took."""
    begin = time.monotonic()
    yield
    say(f"{what}: {time.monotonic() - begin:.0f} s")
