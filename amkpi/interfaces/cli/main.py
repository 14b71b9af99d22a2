"""The command line: one command a step, the same functions as the DAG tasks."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import duckdb
import typer

from amkpi import __version__
from amkpi.core import terminal
from amkpi.core.errors import AmkpiError, AuditBlocked
from amkpi.core.home import Home
from amkpi.core.run import Run, sample_date
from amkpi.expectations.runner import audit_warehouse
from amkpi.expectations.worker import AuditorAside
from amkpi.ingestion.landing import waiting
from amkpi.interfaces.cli import console
from amkpi.pipeline import steps
from amkpi.transform import dbt_runner

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The eight KPIs of an agency's account people, from extracts to published marts.",
)
sources_app = typer.Typer(no_args_is_help=True, help="Source mappings: native exports of other tools.")
app.add_typer(sources_app, name="sources")

HomeOption = Annotated[Path | None, typer.Option("--home", help="the agency's folder [env: AMKPI_HOME]")]
MappingsHomeOption = Annotated[
    Path | None, typer.Option("--home", envvar="AMKPI_HOME", help="whose own mappings count too")
]
LandingOption = Annotated[Path | None, typer.Option("--landing", help="where extracts arrive [default: HOME/landing]")]
HistoricalOption = Annotated[
    bool,
    typer.Option("--historical", "--beside", help="publish as a file of its own; current.duckdb stays where it is"),
]
AsOfOption = Annotated[
    str | None, typer.Option("--as-of", metavar="YYYY-MM-DD", help="the run's date [default: today]")
]


class Format(StrEnum):
    """How a result is printed."""

    table = "table"
    csv = "csv"
    json = "json"


class Scope(StrEnum):
    """Whose records a value counts."""

    own = "own"
    team = "team"
    company = "company"


class Lang(StrEnum):
    """In which language a result is told."""

    vi = "vi"
    en = "en"


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"amkpi {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="show the version", is_eager=True, callback=_show_version)
    ] = False,
    home: HomeOption = None,
    landing: LandingOption = None,
    as_of: AsOfOption = None,
) -> None:
    """Options that stand before a command: they hold as the variables do, so that one behind it wins."""
    for name, value in (("AMKPI_HOME", home), ("AMKPI_LANDING", landing), ("AMKPI_AS_OF", as_of)):
        if value is not None:
            os.environ[name] = str(value)


@app.command()
def run(
    historical: HistoricalOption = False,
    home: HomeOption = None,
    landing: LandingOption = None,
    as_of: AsOfOption = None,
) -> None:
    """Load, build, audit, publish; then show the KPIs."""
    prepared = replace(Run.prepare(home, landing, as_of), historical=historical)
    with AuditorAside() as auditor:
        if prepared.home.landing.is_dir() and waiting(prepared.home.landing):
            # What came will most likely be built and audited: both import while it is loaded.
            dbt_runner.preload_dbt()
            auditor.start()
        _load(prepared)
        built = _build(prepared, auditor.start)
        if built:
            _audit(prepared, auditor)
    if built:
        _publish(prepared)
    console.show_publication(prepared)


@app.command()
def load(home: HomeOption = None, landing: LandingOption = None, as_of: AsOfOption = None) -> None:
    """Take every extract that is ready in LANDING."""
    _load(Run.prepare(home, landing, as_of))


@app.command()
def rebuild(home: HomeOption = None, landing: LandingOption = None, as_of: AsOfOption = None) -> None:
    """Make a lost warehouse anew from archive/ and state/; `amkpi run` then goes on from there."""
    prepared = Run.prepare(home, landing, as_of)
    with console.step("rebuild") as (progress, result):
        result(f"{steps.rebuild(prepared, progress)} deliveries loaded again")


@app.command()
def backup(home: HomeOption = None, landing: LandingOption = None, as_of: AsOfOption = None) -> None:
    """Back up archive/, state/, sources/ and amkpi.toml, while the pipeline may work."""
    prepared = Run.prepare(home, landing, as_of)
    with console.step("backup") as (progress, result):
        report, gone = steps.back_up(prepared, progress)
        size = f"{report.files} files, {report.bytes / 1e6:,.1f} MB, {report.linked} linked to the last backup"
        result(f"{report.folder}: {size}; {gone} old backups removed")


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(metavar="BACKUP", help="a folder that `amkpi backup` made")],
    home: HomeOption = None,
    landing: LandingOption = None,
    as_of: AsOfOption = None,
) -> None:
    """Put a backup into an empty home, and make the warehouse from it; `amkpi run` then publishes the same marts."""
    prepared = Run.prepare(home, landing, as_of)
    with console.step("restore") as (progress, result):
        result(f"{steps.restore(prepared, folder, progress)} deliveries in {prepared.home.root}; now: amkpi run")


@app.command()
def build(home: HomeOption = None, landing: LandingOption = None, as_of: AsOfOption = None) -> None:
    """Build the marts in the private warehouse."""
    _build(Run.prepare(home, landing, as_of))


@app.command()
def audit(home: HomeOption = None, landing: LandingOption = None, as_of: AsOfOption = None) -> None:
    """Check what came in and what would go out."""
    _audit(Run.prepare(home, landing, as_of))


@app.command()
def publish(
    historical: HistoricalOption = False,
    home: HomeOption = None,
    landing: LandingOption = None,
    as_of: AsOfOption = None,
) -> None:
    """Publish the audited build."""
    _publish(replace(Run.prepare(home, landing, as_of), historical=historical))


@app.command()
def status(home: HomeOption = None, landing: LandingOption = None, as_of: AsOfOption = None) -> None:
    """What is published, since when, what waits, what is held back."""
    from amkpi.pipeline.status import show_status

    show_status(Run.prepare(home, landing, as_of))


@app.command()
def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="read-only SQL on the published marts")],
    form: Annotated[Format, typer.Option("--format", help="how to print the result")] = Format.table,
    home: HomeOption = None,
    landing: LandingOption = None,
    as_of: AsOfOption = None,
) -> None:
    """Ask the published marts."""
    console.show_query(Run.prepare(home, landing, as_of), sql, form.value)


@app.command()
def explain(
    kpi: Annotated[str, typer.Argument(metavar="KPI", help="its name, the beginning of it, or its number 1-8")],
    whose_when: Annotated[
        list[str],
        typer.Argument(
            metavar="[STAFF_ID] PERIOD",
            help="whose (the company's without), and 2026-09, 2026-Q3, 2026 or t12m:2026-09",
        ),
    ],
    scope: Annotated[Scope | None, typer.Option("--scope", help="[default: own, or company without STAFF_ID]")] = None,
    form: Annotated[Format, typer.Option("--format", help="csv has the records, json everything")] = Format.table,
    lang: Annotated[Lang, typer.Option("--lang", help="Vietnamese or English")] = Lang.en,
    home: HomeOption = None,
    landing: LandingOption = None,
    as_of: AsOfOption = None,
) -> None:
    """Explain a value: its formula with its numbers, the records behind it, and what was left out."""
    from amkpi.explain import evidence, render

    if len(whose_when) > 2:
        raise typer.BadParameter(f"expected [STAFF_ID] PERIOD, got {len(whose_when)} words: {' '.join(whose_when)}")
    told = evidence.explain(
        Run.prepare(home, landing, as_of),
        kpi,
        whose_when[0] if len(whose_when) == 2 else None,
        whose_when[-1],
        scope.value if scope else None,
    )
    render.show(told, form.value, lang.value)


@app.command()
def quarantine(
    extract: Annotated[str | None, typer.Option("--extract", metavar="E", help="only of this extract")] = None,
    file: Annotated[str | None, typer.Option("--file", metavar="NAME", help="only of this file below LANDING")] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="only for this reason")] = None,
    export: Annotated[
        Path | None,
        typer.Option("--export", metavar="FILE", help="write them to .csv or .xlsx, to be mended"),
    ] = None,
    home: HomeOption = None,
    landing: LandingOption = None,
    as_of: AsOfOption = None,
) -> None:
    """Show the rows held back, or write those of an extract into a file that is mended and dropped back."""
    from amkpi.pipeline.status import export_quarantine, show_quarantine

    prepared = Run.prepare(home, landing, as_of)
    if export is None:
        show_quarantine(prepared, extract, file, reason)
    elif extract is None:
        raise AmkpiError("--export needs --extract: a file holds the rows of one extract")
    else:
        typer.echo(f"{export_quarantine(prepared, extract, export, file, reason)} rows of {extract} in {export}")


@app.command()
def replay(
    wanted: Annotated[str, typer.Argument(metavar="FILE|SHA256", help="loaded before: a file, its name or hash")],
    home: HomeOption = None,
    landing: LandingOption = None,
    as_of: AsOfOption = None,
) -> None:
    """Load known bytes once more, on purpose: as the newest delivery."""
    report = steps.replay(Run.prepare(home, landing, as_of), wanted)
    for delivery in report.deliveries:
        typer.echo(f"{delivery.file_name} as {delivery.extract}: {delivery.status}, {delivery.rows_read} rows")


@app.command()
def scorecards(
    grain: Annotated[str, typer.Option(help="month, quarter, year or trailing_12m")] = "month",
    period: Annotated[str | None, typer.Option(metavar="2026-09", help="the period [default: the newest]")] = None,
    to: Annotated[list[str] | None, typer.Option("--to", metavar="STAFF_ID", help="only this person")] = None,
    outbox: Annotated[
        Path | None, typer.Option(metavar="DIR", help="where the mails are written [default: HOME/outbox]")
    ] = None,
    send: Annotated[bool, typer.Option("--send", help="send them by AIRFLOW_CONN_AMKPI_SMTP instead")] = False,
    resend: Annotated[
        list[str] | None, typer.Option("--resend", metavar="STAFF_ID", help="send again though sent or uncertain")
    ] = None,
    home: HomeOption = None,
    landing: LandingOption = None,
    as_of: AsOfOption = None,
) -> None:
    """Write the scorecards as mails into an outbox, or send them."""
    from amkpi.interfaces.cli.mail import send_scorecards, write_scorecards

    prepared = Run.prepare(home, landing, as_of)
    if send or resend:
        send_scorecards(prepared, grain, period, tuple(to or ()), tuple(resend or ()))
    else:
        write_scorecards(prepared, grain, period, tuple(to or ()), outbox)


@app.command()
def alarms(home: HomeOption = None, landing: LandingOption = None, as_of: AsOfOption = None) -> None:
    """Look for what needs the operator, and mail them what is new by AIRFLOW_CONN_AMKPI_SMTP."""
    from amkpi.interfaces.cli.mail import watch_over

    watch_over(Run.prepare(home, landing, as_of))


@app.command()
def sample(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="a folder for the extracts; made if missing")],
    seed: Annotated[int, typer.Option(help="the same seed, the same bytes")] = 7,
    months: Annotated[int, typer.Option(min=1, help="months of history")] = 24,
    scale: Annotated[float, typer.Option(min=0.01, help="1 is about 30 account people and 80 clients")] = 1.0,
    home: HomeOption = None,
    landing: LandingOption = None,
    as_of: AsOfOption = None,
) -> None:
    """Write a realistic made-up agency as extracts."""
    from amkpi.sample_agency import write_sample

    try:
        last = date.fromisoformat(as_of) if as_of else sample_date()
    except ValueError as error:
        raise AmkpiError(f"--as-of {as_of!r} is no date: say it as YYYY-MM-DD") from error
    counts = write_sample(directory, seed=seed, months=months, scale=scale, as_of=last)
    typer.echo(f"{sum(counts.values())} rows of {len(counts)} extracts in {directory}, as of {last.isoformat()}")


@sources_app.command("check")
def sources_check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="a native export")],
    source: Annotated[str | None, typer.Option("--source", metavar="NAME", help="only this mapping")] = None,
    home: MappingsHomeOption = None,
) -> None:
    """Show what mappings make of a file, without loading it."""
    from amkpi.interfaces.cli.sources import show_check

    show_check(file, source, Home.at(home) if home else None)


@sources_app.command("draft")
def sources_draft(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="a native export")],
    extract: Annotated[str, typer.Option("--extract", metavar="E", help="the extract that it should yield")],
) -> None:
    """Write a first mapping from a file's header, to standard output."""
    from amkpi.interfaces.cli.sources import show_draft

    show_draft(file, extract)


@sources_app.command("template")
def sources_template(
    extract: Annotated[str, typer.Argument(metavar="EXTRACT", help="one of the eleven, as in clients")],
    directory: Annotated[Path, typer.Option("--dir", metavar="DIR", help="where to write; made if missing")] = Path(),
) -> None:
    """Write an empty EXTRACT.xlsx and EXTRACT.csv to fill in by hand."""
    from amkpi.core.catalogue import kpis
    from amkpi.ingestion.contracts.extracts import EXTRACTS
    from amkpi.ingestion.contracts.texts import Words
    from amkpi.ingestion.templates import write_template

    if extract not in EXTRACTS:
        raise AmkpiError(f"no extract {extract}; there are: {', '.join(EXTRACTS)}")
    labels = {kpi.name: Words(vi=kpi.label.vi, en=kpi.label.en) for kpi in kpis()}
    try:
        written = write_template(EXTRACTS[extract], directory, labels)
    except FileExistsError as error:
        raise AmkpiError(f"{error.filename} is there already: move it away, or say another --dir") from error
    for file in written:
        typer.echo(str(file))


def _load(prepared: Run) -> None:
    with console.step("load") as (progress, result):
        report = steps.load(prepared, progress)
        if report.run is None:
            result("nothing new in landing")
        else:
            count = Counter(delivery.status for delivery in report.deliveries)
            files = ", ".join(f"{count[s]} {s}" for s in ("loaded", "duplicate", "rejected") if count[s])
            result(f"{len(report.deliveries)} files ({files}), {report.rows_read:,} rows")
    for delivery in report.deliveries:
        if delivery.status == "rejected":
            terminal.warn(f"{delivery.file_name} rejected: {delivery.reason}")


def _build(prepared: Run, on_start: Callable[[], None] = lambda: None) -> bool:
    with console.step("build") as (progress, result):
        report = steps.build(prepared, progress, on_start)
        if report.is_new:
            result(f"{report.models} models, {report.tests} tests, as of {prepared.as_of:%d/%m/%Y}")
        else:
            result(f"nothing changed: publication {report.publication_id} is current")
    return report.is_new


def _audit(prepared: Run, auditor: steps.Auditor = audit_warehouse) -> None:
    try:
        with console.step("audit") as (progress, result):
            report = steps.audit(prepared, progress, auditor)
            if report.is_new:
                result(f"{len(report.findings)} expectations, {len(report.warnings)} warnings")
            else:
                result("nothing changed: the current publication was audited")
    except AuditBlocked as blocked:
        console.show_findings(blocked.findings)
        raise
    console.show_findings(report.warnings)
    if report.warnings:
        terminal.note(f"the whole audit: {report.page}")


def _publish(prepared: Run) -> None:
    with console.step("publish") as (_, result):
        report = steps.publish(prepared)
        if report.historical:
            result(
                f"{report.file}, a historical publication; current.duckdb stays"
                + ("" if report.is_new else ": nothing changed")
            )
        else:
            result(f"{report.file}" if report.is_new else f"nothing changed: {report.file.name} is current")


def main() -> None:
    """Run the command line; every error that a person can mend is one line, never a traceback."""
    try:
        app()
    except AmkpiError as error:
        terminal.complain(str(error))
        sys.exit(error.exit_code)
    except (duckdb.Error, OSError) as error:
        terminal.complain(" ".join(str(error).split()))
        sys.exit(1)


if __name__ == "__main__":
    main()
