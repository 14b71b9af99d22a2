"""`make run`: the real DAGs on a sample agency, run to their end in one process, in a home of its own."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from amkpi.core.errors import AmkpiError, AuditBlocked
from amkpi.core.home import Home
from amkpi.core.paths import DAGS
from amkpi.core.storage.migrations.state_stores import DELIVERY_LOG
from amkpi.interfaces.demo.chain import run_chain, start_airflow
from amkpi.interfaces.demo.screen import ProgressHandler, Screen, discard_stderr, output_to_log

AS_OF = date(2026, 10, 17)  # a fixed date: the same agency and the same KPIs on every day


@dataclass(frozen=True)
class Sample:
    """The size of the sample agency: months of history, and a scale of which 1 is about 30 account people."""

    months: int = 24
    scale: float = 1.0


def demo_environment(variables: Mapping[str, str], home: Home, dags: Path) -> dict[str, str]:
    """The variables of the demo's process: those given, without the ones of a real Airflow or agency in this shell."""
    airflow_home = home.root / "airflow"
    others = {
        name: value
        for name, value in variables.items()
        if not name.startswith("AIRFLOW_")
        and name not in {"AMKPI_HOME", "AMKPI_LANDING", "AMKPI_AS_OF", "AMKPI_AGENCIES"}
    }
    return others | {
        "AMKPI_HOME": str(home.root),
        "AMKPI_AS_OF": AS_OF.isoformat(),
        "AIRFLOW_HOME": str(airflow_home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{airflow_home / 'airflow.db'}",
        "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags.resolve()),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",  # a paused DAG does not get into the queue
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(airflow_home / "logs"),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "DO_NOT_TRACK": "1",
    }


def run_demo(home: Home, sample: Sample, dags: Path = DAGS) -> None:
    """Fill the home if it is empty, run the DAGs, show the KPIs and where everything is.

    The process must have the variables of `demo_environment`. Raises AmkpiError, AuditBlocked.
    """
    home.make()
    log = home.root / "airflow" / "logs" / "demo.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with output_to_log(log) as terminal:
        screen = Screen(terminal)
        if not DELIVERY_LOG.exists(home.state):
            with screen.step("sample", f"a sample agency until {AS_OF:%d/%m/%Y}, in {home.landing}"):
                _fill(home, sample)
        with screen.step("airflow", f"SQLite metadata in {home.root / 'airflow'}"):
            start_airflow()
        logging.getLogger("amkpi").addHandler(ProgressHandler(screen))
        try:
            run_chain(dags, screen)
        except AmkpiError:
            screen.console.print(f"  [dim]the whole log: {escape(str(log))}[/]", soft_wrap=True)
            raise
    _show(home, log)


def _fill(home: Home, sample: Sample) -> None:
    """Write the extracts to another folder and move complete files into LANDING, as a source system should do."""
    from amkpi.sample_agency import write_sample

    with tempfile.TemporaryDirectory(dir=home.root, prefix=".sample-") as folder:
        try:
            write_sample(Path(folder), months=sample.months, scale=sample.scale, as_of=AS_OF)
        except ValueError as error:
            raise AmkpiError(f"no such sample: {error}") from error
        for path in sorted(Path(folder).rglob("*.csv")):
            target = home.landing / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)


def _show(home: Home, log: Path) -> None:
    from amkpi.core.run import Run
    from amkpi.interfaces.cli import console

    console.show_publication(Run.prepare(home.root))
    amkpi = Path(sys.executable).with_name("amkpi")
    out = Console(highlight=False, soft_wrap=True)
    out.print("[bold]Where everything is[/]")
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
        f"{_short(amkpi)} scorecards --home {_short(home.root)}   # writes mails into an outbox, sends none",
        f'{_short(amkpi)} query "select * from scorecards limit 5" --home {_short(home.root)}',
        f"rm -r {_short(home.root)}   # then `make run` starts from the beginning",
    ):
        out.print(f"  {escape(command)}")


def _short(path: Path) -> str:
    """A path as one types it from the current folder."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def main(arguments: Sequence[str]) -> int:
    """Run the demo. Returns the exit code: 3 when the audit blocked. An error that a person can fix is one line.

    Airflow reads its variables on import. So the process starts itself again with those of the demo, unless it already
    has them.
    """
    parser = argparse.ArgumentParser(
        prog="python -m amkpi.interfaces.demo", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--home", type=Path, default=Path("demo"), metavar="DIR", help="default: demo/ here")
    parser.add_argument("--months", type=int, default=Sample.months, help="months of history of the sample agency")
    parser.add_argument("--scale", type=float, default=Sample.scale, help="1 is about 30 account people")
    parser.add_argument("--dags", type=Path, default=DAGS, metavar="DIR", help="the DAG files to run")
    given = parser.parse_args(arguments)
    home = Home.at(given.home)
    environment = demo_environment(os.environ, home, given.dags)
    if environment != dict(os.environ):
        os.execve(sys.executable, [sys.executable, "-m", "amkpi.interfaces.demo", *arguments], environment)
    try:
        run_demo(home, Sample(given.months, given.scale), given.dags)
    except AmkpiError as error:
        if isinstance(error, AuditBlocked):
            from amkpi.interfaces.cli.console import show_findings

            show_findings(error.findings)
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"[red]amkpi:[/] {escape(str(error))}")
        return error.exit_code
    except KeyboardInterrupt:
        print("amkpi: stopped; the next run continues here", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    discard_stderr()
    sys.exit(code)
