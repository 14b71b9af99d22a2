"""Commands that close periods for good: close, reopen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from amkpi.interfaces.cli.options import examples, with_run

if TYPE_CHECKING:
    from amkpi.core.run import Run
    from amkpi.pipeline.closing import ClosingReport


@click.command(epilog=examples("amkpi close 2026-Q3 --by 'Trần Thị Lan'", "amkpi close --verify"))
@click.argument("period", metavar="PERIOD", required=False)
@click.option("--by", metavar="NAME", default="", help="Who closes the period.")
@click.option("--note", metavar="TEXT", default="", help="Why, for those who ask later.")
@click.option("--ignore-waiting", is_flag=True, help="Close without what waits; the register counts it.")
@click.option("--verify", is_flag=True, help="Only check that everything is as it was closed.")
@with_run
def close(run: Run, period: str | None, by: str, note: str, ignore_waiting: bool, verify: bool) -> None:
    """Close a period for good, as readers see it now.

    What is delivered or set later changes no closed figure. It is shown as adjustments.

    PERIOD: 2026-09, 2026-Q3 or 2026. Shorter periods within it are closed too.
    """
    from amkpi.core.terminal import counted
    from amkpi.interfaces.cli import console
    from amkpi.pipeline import closing
    from amkpi.publishing.closing.acts import Request

    if verify == (period is not None) or (verify and (by or note or ignore_waiting)):
        raise click.UsageError("say a PERIOD, or --verify alone")
    if period is None:
        click.echo(_verified(run))
        return
    if not by.strip():
        raise click.UsageError("say who closes the period, with --by NAME")
    with console.step("close") as (progress, result):
        report = closing.close(run, Request(period, by, note, ignore_waiting), progress)
        waited = report.act.waiting_files or report.act.waiting_rows
        files = counted(report.act.waiting_files, "file", "files")
        without = f"; without {files} and {counted(report.act.waiting_rows, 'row', 'rows')} in waiting"
        result(_shown(report) + (without if waited else ""))


@click.command(epilog=examples("amkpi reopen 2026-Q3 --by 'Trần Thị Lan' --note 'a contract was missing'"))
@click.argument("period", metavar="PERIOD")
@click.option("--by", metavar="NAME", required=True, help="Who reopens the period.")
@click.option("--note", metavar="TEXT", required=True, help="Why.")
@with_run
def reopen(run: Run, period: str, by: str, note: str) -> None:
    """Reopen the newest closing, with all periods that it closed.

    PERIOD: the period by which it was closed.
    """
    from amkpi.interfaces.cli import console
    from amkpi.pipeline import closing

    with console.step("reopen") as (progress, result):
        result(_shown(closing.reopen(run, period, by, note, progress)))


def _verified(run: Run) -> str:
    from amkpi.core.terminal import counted
    from amkpi.pipeline import closing

    verified, periods = closing.verify(run)
    last = verified.register.last
    if last is None:
        return "nothing is closed"
    named = "as the current publication names it" if verified.published == last else "not published yet"
    acts = counted(len(verified.register.acts), "closing", "closings")
    return (
        f"{acts}, {len(verified.register.in_force())} in force: files and register are intact; last line: closing"
        f" {last[0]}, {last[1]}, {named}; {counted(periods, 'closed period', 'closed periods')} compared"
    )


def _shown(report: ClosingReport) -> str:
    from amkpi.core.language import formatting
    from amkpi.core.language.periods import Period

    act = report.act
    periods = ", ".join(Period.holding(each.grain, each.start).key for each in act.periods)
    what = f"closing {act.n}, {act.period} as of {formatting.day(act.as_of)}"
    return f"{what}: {periods}; published {report.published.file}"
