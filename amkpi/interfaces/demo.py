"""`make run`: the real DAGs on the sample agency, in one process and in a home of its own.

`dag.test()` runs one DAG and writes its asset events, but starts no DAG that they trigger. The demo reads Airflow's
own queue, so `build_marts` runs only because `load_extracts` triggered it."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import IO, Any

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner

from amkpi.core.errors import AmkpiError, AuditBlocked
from amkpi.core.home import Home
from amkpi.core.paths import DAGS
from amkpi.core.storage.migrations.state_stores import DELIVERY_LOG

AS_OF = date(2026, 10, 17)  # a fixed date: the same agency, the same KPIs, whenever somebody runs it
FIRST, WAITS_FOR_FIRST = "load_extracts", "build_marts"
NEEDS_A_MAIL_SERVER = "send_scorecards"


@dataclass(frozen=True)
class Sample:
    """How large the made-up agency is: months of history, and a scale of which 1 is about 30 account people."""

    months: int = 24
    scale: float = 1.0


@dataclass
class Outcome:
    """What the tasks of one DAG run left: results by task, and the first error."""

    results: dict[str, Any] = field(default_factory=dict)
    error: BaseException | None = None


class Screen:
    """A line a step on the terminal, while everything else that is written goes to the log."""

    def __init__(self, terminal: IO[str]) -> None:
        console = Console(file=terminal, highlight=False)
        self.console = console if console.is_terminal else Console(file=terminal, highlight=False, width=110)
        self._live: Live | None = None
        self._name, self._started = "", 0.0

    def begin(self, name: str) -> None:
        """Show that a step works."""
        self._name, self._started = name, time.monotonic()
        # A console's own status would take standard output for itself, and show the noise that is meant for the log.
        self._live = Live(
            Spinner("dots", f"[bold]{name}[/]"),
            console=self.console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def going_on(self, line: str) -> None:
        """Show what the step is at."""
        if self._live is not None:
            self._live.update(Spinner("dots", f"[bold]{self._name}[/]  [dim]{escape(line)}[/]"))

    def end(self, sign: str, said: str) -> None:
        """The step's line: how it ended, its seconds, its counts."""
        if self._live is not None:
            self._live.stop()
            self._live = None
        seconds = time.monotonic() - self._started
        self.console.print(f"{sign} {self._name:<22} [dim]{seconds:6.1f} s[/]  {escape(said)}", soft_wrap=True)

    @contextmanager
    def step(self, name: str, said: str) -> Iterator[None]:
        """A step of the demo's own."""
        self.begin(name)
        try:
            yield
        except BaseException:
            self.end("[red]✗[/]", "")
            raise
        self.end("[green]✓[/]", said)


class _Follow(logging.Handler):
    """Shows what the tasks log about their progress."""

    def __init__(self, screen: Screen) -> None:
        super().__init__(logging.INFO)
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        self._screen.going_on(record.getMessage())


def run_demo(root: Path, sample: Sample, dags: Path = DAGS) -> None:
    """Fill the home on its first time, run the DAGs, show the KPIs and where everything lies.

    Must be the first to import Airflow in its process. Raises AmkpiError, AuditBlocked.
    """
    if "airflow" in sys.modules:
        raise AmkpiError(
            "the demo sets Airflow up for itself: run it in a process of its own, python -m amkpi.interfaces.demo"
        )
    home = Home.at(root)
    home.make()
    log = home.root / "airflow" / "logs" / "demo.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    _set_environment(home, dags)
    with _quiet(log) as terminal:
        screen = Screen(terminal)
        if not DELIVERY_LOG.exists(home.state):
            with screen.step("sample", f"a made-up agency until {AS_OF:%d/%m/%Y}, in {home.landing}"):
                _fill(home, sample)
        with screen.step("airflow", f"SQLite metadata in {home.root / 'airflow'}"):
            _start_airflow()
        logging.getLogger("amkpi").addHandler(_Follow(screen))
        try:
            _run_chain(dags, screen)
        except AmkpiError:
            screen.console.print(f"  [dim]all that was logged: {escape(str(log))}[/]", soft_wrap=True)
            raise
    _show(home, log)


def _set_environment(home: Home, dags: Path) -> None:
    """The demo's settings; those that a real Airflow or agency has in this shell must not reach it."""
    for name in list(os.environ):
        if name.startswith(("AIRFLOW_", "AIRFLOW__")) or name in {"AMKPI_HOME", "AMKPI_LANDING", "AMKPI_AS_OF"}:
            del os.environ[name]
    airflow_home = home.root / "airflow"
    os.environ |= {
        "AMKPI_HOME": str(home.root),
        "AMKPI_AS_OF": AS_OF.isoformat(),
        "AIRFLOW_HOME": str(airflow_home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{airflow_home / 'airflow.db'}",
        "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags.resolve()),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",  # the queue leaves out what is paused
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(airflow_home / "logs"),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
    }


@contextmanager
def _quiet(log: Path) -> Iterator[IO[str]]:
    """Send everything that is written to standard output and error to the log; gives the terminal.

    By file descriptor: Airflow, dbt and their libraries hold streams of their own, taken before one could swap them.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    out, err = os.dup(1), os.dup(2)
    with log.open("a", encoding="utf-8") as file, os.fdopen(os.dup(out), "w", encoding="utf-8") as terminal:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield terminal
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os.dup2(out, 1)
            os.dup2(err, 2)
            os.close(out)
            os.close(err)


def _fill(home: Home, sample: Sample) -> None:
    """Write the extracts aside and move them in whole, as a careful source system does."""
    from amkpi.sample_agency import write_sample

    with tempfile.TemporaryDirectory(dir=home.root, prefix=".sample-") as aside:
        try:
            write_sample(Path(aside), months=sample.months, scale=sample.scale, as_of=AS_OF)
        except ValueError as error:
            raise AmkpiError(f"no such sample: {error}") from error
        for path in sorted(Path(aside).rglob("*.csv")):
            target = home.landing / path.relative_to(aside)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)


def _start_airflow() -> None:
    from airflow.utils.db import initdb

    from amkpi.interfaces.airflow.assets import ensure_pool

    initdb()
    ensure_pool()


def _run_chain(folder: Path, screen: Screen) -> None:
    """Run the first DAG, then whatever the assets make due, until nothing is.

    A DAG leaves the queue when it has succeeded, so that a demo that broke off goes on where it was.
    """
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(folder)
    for file, trace in bag.import_errors.items():
        raise AmkpiError(f"{file} cannot be read as a DAG file: {trace.strip().splitlines()[-1]}")
    for dag_id in (FIRST, WAITS_FOR_FIRST):
        if dag_id not in bag.dags:
            raise AmkpiError(f"{folder} has no DAG {dag_id}")

    loaded = _run_dag(bag.dags[FIRST], screen).results
    finished: list[str] = []
    while due := _due():
        for dag_id in due:
            if dag_id == NEEDS_A_MAIL_SERVER:
                screen.console.print(f"[dim]– {dag_id:<22}        left out: a demo has no mail server[/]")
                _no_longer_due(dag_id)
                continue
            _run_dag(bag.dags[dag_id], screen)
            _no_longer_due(dag_id)
            finished.append(dag_id)
    if (loaded and WAITS_FOR_FIRST not in finished) or not _are_joined(bag):
        raise AmkpiError(
            f"nothing that {FIRST} does makes {WAITS_FOR_FIRST} due: the task that loads must have the asset among its"
            f" outlets, and {WAITS_FOR_FIRST} must be scheduled on it; see {folder}"
        )
    if not loaded and not finished:
        screen.console.print(f"  Nothing new came, so {WAITS_FOR_FIRST} is not due: the last publication stays.")


def _run_dag(dag: Any, screen: Screen) -> Outcome:
    """Run one DAG to its end. Raises what failed a task: AmkpiError, AuditBlocked."""
    outcome = Outcome()
    for task in dag.tasks:
        task.retries = 0  # nobody comes to a demo to wait: the first failure is told at once
        for kind, callback in _callbacks(outcome, screen).items():
            setattr(task, kind, [callback])
    run = dag.test()
    if run.state != "success":
        if isinstance(outcome.error, KeyboardInterrupt):  # Airflow takes it for a failure of the task
            raise outcome.error
        cause = outcome.error.__cause__ if outcome.error is not None else None
        if isinstance(cause, AmkpiError):
            raise cause
        raise AmkpiError(f"{dag.dag_id} failed, a defect: {outcome.error!r}; the log has the traceback")
    return outcome


def _callbacks(outcome: Outcome, screen: Screen) -> dict[str, Callable[[Any], None]]:
    """What Airflow calls as a task begins and ends."""
    environment = {name: value for name, value in os.environ.items() if name.startswith("AMKPI_")}

    def begins(context: Any) -> None:
        # In a real Airflow each task has a process, and so an environment, of its own.
        for name in [name for name in os.environ if name.startswith("AMKPI_")]:
            del os.environ[name]
        os.environ.update(environment)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # Airflow's own handler would let the demo live on
        screen.begin(f"{context['ti'].dag_id}.{context['ti'].task_id}")

    def succeeded(context: Any) -> None:
        task_id = context["ti"].task_id
        outcome.results[task_id] = context["ti"].xcom_pull(task_ids=task_id)
        screen.end("[green]✓[/]", _in_words(outcome.results[task_id] or {}))

    def skipped(context: Any) -> None:
        screen.end("[dim]–[/]", "nothing to do")

    def failed(context: Any) -> None:
        outcome.error = outcome.error or context.get("exception")
        screen.end("[red]✗[/]", "")

    return {
        "on_execute_callback": begins,
        "on_success_callback": succeeded,
        "on_skipped_callback": skipped,
        "on_failure_callback": failed,
    }


def _in_words(result: dict[str, Any]) -> str:
    """A task's result as a line: counts that are not zero before their names, texts behind."""
    parts = []
    for name, value in result.items():
        words = name.replace("_", " ")
        if isinstance(value, str):
            parts.append(f"{words} {value}")
        elif value:
            parts.append(f"{value:,} {words}")
    return ", ".join(parts)


def _due() -> list[str]:
    """The DAGs that asset events made due, from Airflow's queue."""
    from airflow.models.asset import AssetDagRunQueue
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        return sorted(set(session.scalars(select(AssetDagRunQueue.target_dag_id))))


def _are_joined(bag: Any) -> bool:
    """Whether the one DAG may ring for every family, and the other hears it; it tells so also when nothing came."""
    from amkpi.interfaces.airflow.assets import RAW, ROWS

    rung = {outlet.name for task in bag.dags[FIRST].tasks for outlet in task.outlets}
    heard = {asset.name for asset in bag.dags[WAITS_FOR_FIRST].timetable.asset_condition.objects}
    return RAW.name in rung and heard >= {asset.name for asset in ROWS.values()}


def _no_longer_due(dag_id: str) -> None:
    from airflow.models.asset import AssetDagRunQueue
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    with create_session() as session:
        session.execute(delete(AssetDagRunQueue).where(AssetDagRunQueue.target_dag_id == dag_id))


def _show(home: Home, log: Path) -> None:
    from amkpi.core.run import Run
    from amkpi.interfaces.cli import console

    console.show_publication(Run.prepare(home.root))
    amkpi = Path(sys.executable).with_name("amkpi")
    out = Console(highlight=False, soft_wrap=True)
    out.print("[bold]Where it lies[/]")
    for what, where in (
        ("home", home.root),
        ("published KPIs", home.current),
        ("drop extracts in", home.landing),
        ("loaded files", home.archive),
        ("log of this run", log),
    ):
        out.print(f"  {what:<17} {escape(str(where))}")
    out.print("[bold]What to try next[/]")
    for command in (
        f"{_short(amkpi)} status --home {_short(home.root)}",
        f"{_short(amkpi)} scorecards --home {_short(home.root)}   # mails into an outbox, sent to nobody",
        f'{_short(amkpi)} query "select * from scorecards limit 5" --home {_short(home.root)}',
        f"rm -r {_short(home.root)}   # and make run begins anew",
    ):
        out.print(f"  {escape(command)}")


def _short(path: Path) -> str:
    """A path as one types it from here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; every error that a person can mend is one line. Returns the exit code: 3 when the audit blocked."""
    parser = argparse.ArgumentParser(
        prog="python -m amkpi.interfaces.demo", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--home", type=Path, default=Path("demo"), metavar="DIR", help="default: demo/ here")
    parser.add_argument("--months", type=int, default=Sample.months, help="months of history of the made-up agency")
    parser.add_argument("--scale", type=float, default=Sample.scale, help="1 is about 30 account people")
    parser.add_argument("--dags", type=Path, default=DAGS, metavar="DIR", help="the DAG files to run")
    given = parser.parse_args(arguments)
    try:
        run_demo(given.home, Sample(given.months, given.scale), given.dags)
    except AmkpiError as error:
        if isinstance(error, AuditBlocked):
            from amkpi.interfaces.cli.console import show_findings

            show_findings(error.findings)
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"[red]amkpi:[/] {escape(str(error))}")
        return error.exit_code
    except KeyboardInterrupt:
        print("amkpi: stopped; the next run goes on where this one was", file=sys.stderr)
        return 130
    return 0


def _hush() -> None:
    """Nothing after the last line: as the process ends, DuckDB's binding counts what Airflow still holds as leaks."""
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


if __name__ == "__main__":
    code = main()
    _hush()
    sys.exit(code)
