"""Commands that only look: status, query, explain, quarantine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from amkpi.core.errors import AmkpiError
from amkpi.interfaces.cli.options import FOLDER, with_run

if TYPE_CHECKING:
    from amkpi.core.language.translation import Language
    from amkpi.core.run import Run
    from amkpi.explain.evidence import Scope

FORMATS = click.Choice(("table", "csv", "json"))


@click.command()
@with_run
def status(run: Run) -> None:
    """Show what is published and what needs attention.

    Files that wait in LANDING, rows in quarantine, the last audit, open incidents.
    """
    from amkpi.pipeline.status import show_status

    show_status(run)


@click.command()
@click.argument("sql", metavar="SQL")
@click.option("--format", "form", type=FORMATS, default="table", show_default=True, help="How to print the result.")
@with_run
def query(run: Run, sql: str, form: str) -> None:
    """Query the published marts with SQL, read-only."""
    from amkpi.interfaces.cli import console

    console.show_query(run, sql, form)


@click.command()
@click.argument("kpi", metavar="KPI")
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

    KPI: its name, the beginning of it, or its number. STAFF_ID: without it the company's value. PERIOD: 2026-09,
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


@click.command()
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
    from amkpi.pipeline.status import (
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
        click.echo(f"{dismiss_quarantine(run, by, why, extract, file, reason)} rows dismissed; now: amkpi run")
    elif undismiss:
        count = take_back_dismissals(run, by, why, extract, file, reason)
        click.echo(f"{count} rows count again; now: amkpi run")
    elif export is None:
        show_quarantine(run, extract, file, reason)
    elif extract is None:
        raise AmkpiError("--export needs --extract: a file holds the rows of one extract")
    else:
        click.echo(f"{export_quarantine(run, extract, export, file, reason)} rows of {extract} in {export}")
