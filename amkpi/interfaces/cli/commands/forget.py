"""The command that replaces the names of a person or a client."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from amkpi.interfaces.cli.options import examples, with_run

if TYPE_CHECKING:
    from amkpi.core.run import Run


@click.command(epilog=examples("amkpi forget NV012", "amkpi forget --client KH007 --by 'Trần Thị Lan' --yes"))
@click.argument("staff_id", metavar="[STAFF_ID]", required=False)
@click.option("--client", metavar="ID", help="A client instead of a person.")
@click.option("--by", metavar="NAME", default="", help="Who does it, for the register.")
@click.option("--yes", is_flag=True, help="Do it. Without it the command only says what it would do.")
@with_run
def forget(run: Run, staff_id: str | None, client: str | None, by: str, yes: bool) -> None:
    """Replace the names of a person or a client, on their request.

    Names, addresses and free texts become a pseudonym in everything that HOME keeps. Figures and ids stay. It cannot be
    undone. See docs/operations/retention.md.

    STAFF_ID: as the staff extract has it.
    """
    from amkpi.core.erasure.register import Subject
    from amkpi.interfaces.cli import console
    from amkpi.pipeline import forget as forgetting

    if (staff_id is None) == (client is None):
        raise click.UsageError("give either a STAFF_ID or --client ID")
    if yes and not by.strip():
        raise click.UsageError("say who does it, with --by NAME")
    subject = Subject("staff", staff_id) if staff_id is not None else Subject("client", str(client))
    with console.step("forget") as (progress, result):
        report = forgetting.forget(run, subject, by.strip(), yes, progress)
        done = "replaced by" if report.is_done else "would be replaced by"
        result(f"{subject.id} {done} “{subject.pseudonym}”{'; now: amkpi run' if report.is_done else ''}")
    for place, count in report.places:
        click.echo(f"  {place}: {count}")
    click.echo("What this does not reach:")
    for line in report.unreachable:
        click.echo(f"  {line}")
    if not report.is_done:
        click.echo("Nothing was changed. To do it: --by NAME --yes")
