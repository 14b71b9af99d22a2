"""Commands that only look: status, agencies, query, explain, quarantine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from amkpi.core.errors import AmkpiError
from amkpi.interfaces.cli.options import FOLDER, examples, query_options, with_run

if TYPE_CHECKING:
    from amkpi.core.language.translation import Language
    from amkpi.core.run import Run
    from amkpi.explain.evidence import Scope

FORMATS = click.Choice(("table", "csv", "json"))


def _complete_kpi(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The KPIs whose names contain what was typed, for a shell."""
    from amkpi.core.catalogue import kpis

    return [CompletionItem(kpi.name, help=kpi.label["en"]) for kpi in kpis() if incomplete.lower() in kpi.name]


@click.command(epilog=examples("amkpi status", "amkpi status --format json"))
@click.option("--format", "form", type=click.Choice(("text", "json")), default="text", show_default=True)
@with_run
def status(run: Run, form: str) -> None:
    """Show what is published and what needs attention.

    Files that wait in LANDING, rows in quarantine, the last audit, open incidents.
    """
    from amkpi.pipeline import status as current

    found = current.read_status(run)
    if form == "json":
        current.print_status_json(found)
    else:
        current.show_status(found)


@click.command(epilog=examples("amkpi agencies", "amkpi agencies --make"))
@click.option("--make", is_flag=True, help="First make the folders of HOME and LANDING that are missing.")
@click.option("--format", "form", type=click.Choice(("text", "json")), default="text", show_default=True)
@click.pass_context
def agencies(context: click.Context, make: bool, form: str) -> None:
    """Show the agencies of AMKPI_AGENCIES: the last publication of each, and what needs attention.

    Moments are in the time zone of each agency. The exit code is 1 if any of them has a problem, or if folders cannot
    be made. `amkpi status --agency CODE` shows one of them.
    """
    from dataclasses import asdict

    from amkpi.core import terminal
    from amkpi.core.agencies import group_agencies
    from amkpi.pipeline import agencies as group
    from amkpi.pipeline.status import plain

    agencies = group_agencies()
    not_made = group.make_folders_of_each(agencies) if make else []
    found = group.read_agencies_status(agencies)
    if form == "json":
        terminal.print_json(plain([asdict(each) for each in found]))
    else:
        group.show_agencies(found)
    for line in not_made:
        terminal.complain(line)
    context.exit(int(bool(not_made) or any(each.problems for each in found)))


@click.command(
    epilog=examples(
        'amkpi query "from kpi_values limit 5"',
        "amkpi query \"select * from scorecards where rating = 'D'\" --format csv > low.csv",
        'amkpi query "from kpi_evidence" --format parquet --output evidence.parquet',
    )
)
@query_options
@with_run
def query(run: Run, sql: str, form: str | None, output: Path | None) -> None:
    """Query the published marts with SQL.

    SQL: one statement that reads, such as SELECT, FROM, DESCRIBE or PIVOT; - reads it from standard input. It reaches
    no file, network or setting. The settings query_seconds and query_memory_limit (AMKPI_QUERY_SECONDS,
    AMKPI_QUERY_MEMORY_LIMIT) limit it.
    """
    from amkpi.interfaces.cli.query_output import query_as_given

    query_as_given(run, sql, form, output)


@click.command(
    epilog=examples(
        "amkpi explain on_time NV005 2026-Q1",
        "amkpi explain revenue 2026",
        "amkpi explain satisfaction NV003 t12m:2026-09 --scope team --lang vi --format json",
    )
)
@click.argument("kpi", metavar="KPI", shell_complete=_complete_kpi)
@click.argument("whose_when", metavar="[STAFF_ID] PERIOD", nargs=-1, required=True)
@click.option(
    "--scope",
    type=click.Choice(("own", "team", "company")),
    help="Whose records count.  [default: own; company without STAFF_ID]",
)
@click.option(
    "--format", "form", type=FORMATS, default="table", show_default=True, help="csv has the records, json everything."
)
@click.option("--lang", type=click.Choice(("vi", "en")), default="en", show_default=True, help="Vietnamese or English.")
@with_run
def explain(run: Run, kpi: str, whose_when: tuple[str, ...], scope: Scope | None, form: str, lang: Language) -> None:
    """Explain a value, down to its records.

    Shows its formula with its numbers, the records behind it, and the records that were excluded.

    KPI: its number, or a part of its name that no other has. STAFF_ID: without it the company's value. PERIOD: 2026-09,
    2026-Q3, 2026 or t12m:2026-09.
    """
    from amkpi.explain import evidence, render

    if len(whose_when) > 2:
        raise click.UsageError(f"expected [STAFF_ID] PERIOD, got {len(whose_when)} words: {' '.join(whose_when)}")
    explanation = evidence.explain(
        run,
        kpi,
        whose_when[0] if len(whose_when) == 2 else None,
        whose_when[-1],
        scope,
    )
    render.show(explanation, form, lang)


@click.command(
    epilog=examples(
        "amkpi quarantine",
        "amkpi quarantine --extract projects --export projects.xlsx",
        "amkpi quarantine --extract projects --reason invalid_date --dismiss --by Lan --why 'old system'",
    )
)
@click.option("--extract", metavar="E", help="Only of this extract.")
@click.option("--file", metavar="NAME", help="Only of this file below LANDING.")
@click.option("--reason", help="Only for this reason.")
@click.option("--export", type=FOLDER, metavar="FILE", help="Write them to .csv or .xlsx, to be corrected.")
@click.option("--dismiss", is_flag=True, help="Set them aside: nobody will correct them. Needs --by and --why.")
@click.option("--undismiss", is_flag=True, help="Let dismissed rows count again. Needs --by and --why.")
@click.option("--by", metavar="NAME", default="", help="Who decides it.")
@click.option("--why", metavar="TEXT", default="", help="Why.")
@click.option("--dismissed", is_flag=True, help="Show the rows that were set aside, by whom and why.")
@with_run
def quarantine(
    run: Run,
    extract: str | None,
    file: str | None,
    reason: str | None,
    export: Path | None,
    dismiss: bool,
    undismiss: bool,
    by: str,
    why: str,
    dismissed: bool,
) -> None:
    """Show the rows in quarantine, export them, or set them aside.

    --export writes the rows of one extract to a file. Correct them there and put the file into LANDING.

    --dismiss sets rows aside that nobody will correct: no share, mail or explanation counts them any more. --undismiss
    takes that back.
    """
    from amkpi.core.terminal import counted
    from amkpi.pipeline.held_back import (
        dismiss_quarantine,
        export_quarantine,
        show_dismissed,
        show_quarantine,
        take_back_dismissals,
    )

    if dismissed + dismiss + undismiss + (export is not None) > 1:
        raise click.UsageError("give only one of --export, --dismiss, --undismiss and --dismissed")
    if dismissed:
        show_dismissed(run)
    elif dismiss:
        count = counted(dismiss_quarantine(run, by, why, extract, file, reason), "row", "rows")
        click.echo(f"{count} dismissed; now: amkpi run")
    elif undismiss:
        count = counted(take_back_dismissals(run, by, why, extract, file, reason), "row counts", "rows count")
        click.echo(f"{count} again; now: amkpi run")
    elif export is None:
        show_quarantine(run, extract, file, reason)
    elif extract is None:
        raise AmkpiError("--export needs --extract: a file holds the rows of one extract")
    else:
        count = counted(export_quarantine(run, extract, export, file, reason), "row", "rows")
        click.echo(f"{count} of {extract} in {export}")
