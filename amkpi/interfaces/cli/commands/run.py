"""`amkpi run` and its steps: load, build, audit, publish."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from amkpi.core.errors import AuditBlocked
from amkpi.interfaces.cli.options import current_option, examples, historical_option, with_run

if TYPE_CHECKING:
    from amkpi.core.run import Run
    from amkpi.pipeline.steps import Auditor

# More files with something to report are not named one by one.
MOST_FILES = 10


@click.command(epilog=examples("amkpi run --home /srv/agency", "amkpi run --as-of 2026-09-30"))
@historical_option
@current_option
@with_run
def run(run: Run, historical: bool, current: bool) -> None:
    """Load, build, audit, publish; then show the KPIs.

    A date before the one that readers see is published as a file of its own, and readers stay.
    """
    from amkpi.expectations.worker import AuditWorker
    from amkpi.ingestion.landing import waiting
    from amkpi.interfaces.cli import console
    from amkpi.transform import dbt_runner

    run = _aimed(run, historical, current)
    with AuditWorker() as auditor:
        if run.home.landing.is_dir() and waiting(run.home.landing):
            # New files will most likely be built and audited. dbt and the audit worker import while they are loaded.
            dbt_runner.preload_dbt()
            auditor.start()
        _load(run)
        built = _build(run, auditor.start)
        if built:
            _audit(run, auditor)
    if built:
        _publish(run)
    _export(run)
    console.show_publication(run)


@click.command(epilog=examples("amkpi load", "amkpi load --accept-deletions hubspot_companies"))
@click.option(
    "--accept-deletions",
    metavar="MAPPING",
    help="The files of this mapping may delete more than max_deleted_share, this time. Rejected ones are put back.",
)
@with_run
def load(run: Run, accept_deletions: str | None) -> None:
    """Take every extract that is ready in LANDING."""
    _load(run, accept_deletions)


@click.command(epilog=examples("amkpi build", "amkpi build --as-of 2026-10-17"))
@with_run
def build(run: Run) -> None:
    """Build the marts in the private warehouse."""
    _build(run)


@click.command(epilog=examples("amkpi audit"))
@with_run
def audit(run: Run) -> None:
    """Check the input and the marts before they are published."""
    _audit(run)


@click.command(epilog=examples("amkpi publish", "amkpi publish --historical"))
@historical_option
@current_option
@with_run
def publish(run: Run, historical: bool, current: bool) -> None:
    """Publish the audited build."""
    run = _aimed(run, historical, current)
    _publish(run)
    _export(run)


def _aimed(run: Run, historical: bool, current: bool) -> Run:
    """The run with its place: beside what readers see if its date is before theirs, unless a flag says otherwise."""
    from amkpi.core import terminal
    from amkpi.pipeline import steps

    if historical and current:
        raise click.UsageError("--historical and --current exclude each other")
    past = not (historical or current) and steps.is_past(run)
    if past:
        day = f"{run.as_of:%d/%m/%Y}"
        terminal.report(f"readers see a later date than {day}, and keep it; --current switches them to {day}")
    return replace(run, historical=historical or past)


def _load(run: Run, accept_deletions: str | None = None) -> None:
    from amkpi.core import terminal
    from amkpi.core.terminal import counted
    from amkpi.interfaces.cli import console
    from amkpi.pipeline import steps
    from amkpi.pipeline.status import changed_mapping

    with console.step("load") as (progress, result):
        report = steps.load(run, progress, accept_deletions)
        if report.run is None:
            result("nothing new in landing")
        else:
            count = Counter(delivery.status for delivery in report.deliveries)
            files = ", ".join(f"{count[s]} {s}" for s in ("loaded", "duplicate", "rejected") if count[s])
            all_files = counted(len(report.deliveries), "file", "files")
            result(f"{all_files} ({files}), {counted(report.rows_read, 'row', 'rows')}")
    for wrong in report.broken_mappings:
        terminal.warn(f"a mapping is wrong, and files that it takes are rejected: {wrong}")
    for delivery in report.deliveries:
        if delivery.status == "rejected":
            terminal.warn(f"{delivery.file_name} rejected: {delivery.reason}")
    lines = [
        f"{each.file_name} as {each.extract}: {', '.join(filter(None, (each.left_out_or_changed, each.notes)))}"
        for each in report.deliveries
        if each.status == "loaded" and (each.left_out_or_changed or each.notes)
    ]
    for line in lines[:MOST_FILES]:
        terminal.warn(line)
    if len(lines) > MOST_FILES:
        more = counted(len(lines) - MOST_FILES, "more file", "more files")
        terminal.note(f"and {more}: see marts.load_ledger")
    for name, changed in report.changed_mappings.items():
        terminal.warn(changed_mapping(name, changed))


def _build(run: Run, on_start: Callable[[], None] = lambda: None) -> bool:
    """Build; returns whether there was something to build."""
    from amkpi.core.terminal import counted
    from amkpi.interfaces.cli import console
    from amkpi.pipeline import steps

    with console.step("build") as (progress, result):
        report = steps.build(run, progress, on_start)
        if report.is_new:
            models, tests = counted(report.models, "model", "models"), counted(report.tests, "test", "tests")
            result(f"{models}, {tests}, as of {run.as_of:%d/%m/%Y}")
        else:
            result(f"nothing changed: publication {report.publication_id} is current")
    return report.is_new


def _audit(run: Run, auditor: Auditor | None = None) -> None:
    from amkpi.core import terminal
    from amkpi.core.terminal import counted
    from amkpi.expectations.runner import audit_warehouse
    from amkpi.interfaces.cli import console
    from amkpi.pipeline import steps

    try:
        with console.step("audit") as (progress, result):
            report = steps.audit(run, progress, auditor or audit_warehouse)
            if report.is_new:
                checked = counted(len(report.findings), "expectation", "expectations")
                result(f"{checked}, {counted(len(report.warnings), 'warning', 'warnings')}")
            else:
                result("nothing changed: the current publication was audited")
    except AuditBlocked as blocked:
        console.show_findings(blocked.findings)
        raise
    console.show_findings(report.warnings)
    if report.warnings:
        terminal.note(f"the whole audit: {report.page}")


def _publish(run: Run) -> None:
    from amkpi.core import terminal
    from amkpi.interfaces.cli import console
    from amkpi.pipeline import steps

    with console.step("publish") as (_, result):
        report = steps.publish(run)
        if report.historical:
            text = f"{report.file}, a historical publication; current.duckdb stays"
            result(text if report.is_new else f"{text}: nothing changed")
        else:
            result(f"{report.file}" if report.is_new else f"nothing changed: {report.file.name} is current")
    if report.repaired:
        terminal.warn(f"somebody had written into {report.file}: it is written again")


def _export(run: Run) -> None:
    """Write the current publication for other tools; no line where the settings want none."""
    from amkpi.interfaces.cli import console
    from amkpi.pipeline import exports

    if not exports.is_wanted(run):
        return
    with console.step("export") as (progress, result):
        result("; ".join(exports.export(run, progress).lines))
