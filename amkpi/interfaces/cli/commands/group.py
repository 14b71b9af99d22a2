"""Commands of a group of agencies: its build, its mails, queries on its marts."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from amkpi.core.errors import AmkpiError
from amkpi.interfaces.cli.commands.mail import CONNECTION, check_delivered, mail_server, show_counts, show_delivery
from amkpi.interfaces.cli.options import FOLDER, examples, grain_option, query_options

if TYPE_CHECKING:
    from amkpi.core.agencies import Agencies


def with_agencies(command: Callable[..., None]) -> Callable[..., None]:
    """A command that takes the agencies of a group as its first argument: --agencies says which file has them."""

    @click.option(
        "--agencies", "file", type=FOLDER, metavar="FILE", help="The agencies of the group.  [env: AMKPI_AGENCIES]"
    )
    @functools.wraps(command)
    def prepared(*, file: Path | None, **others: Any) -> None:
        from amkpi.core.agencies import group_agencies, read_agencies

        command(read_agencies(file) if file else group_agencies(), **others)

    return prepared


@click.group(epilog=examples("amkpi group build --agencies agencies.toml", 'amkpi group query "from group_kpi_values"'))
def group() -> None:
    """The KPIs of a group of agencies."""


@group.command(epilog=examples("amkpi group build", "amkpi group build --agencies /srv/group/agencies.toml"))
@with_agencies
def build(agencies: Agencies) -> None:
    """Add up what the agencies have published, and publish it.

    It reads fx_rates.csv and group_targets.csv beside the file of the agencies, and writes below group/ there.
    """
    from amkpi.core.terminal import counted
    from amkpi.group.build.build import build as build_group
    from amkpi.interfaces.cli import console

    with console.step("group") as (progress, result):
        report = build_group(agencies, progress)
        missing = f", {len(report.missing)} missing" if report.missing else ""
        of = f"{counted(len(report.sources) - len(report.missing), 'agency', 'agencies')}{missing}"
        new = "published" if report.is_new else "nothing changed"
        result(f"{of}, as of {report.as_of:%d/%m/%Y}: {report.publication_id} {new}")
    console.show_findings(report.warnings)


@group.command(
    epilog=examples(
        "amkpi group scorecards --grain quarter",
        "amkpi group scorecards --period 2026-09 --outbox ./mails",
        "amkpi group scorecards --send",
    )
)
@grain_option
@click.option("--period", metavar="2026-09", help="The period.  [default: the newest that is over]")
@click.option("--outbox", type=FOLDER, metavar="DIR", help="Where the mails are written.  [default: group/outbox]")
@click.option("--send", is_flag=True, help=f"Send them by {CONNECTION} instead, each period once.")
@click.option("--resend", metavar="ADDRESS", multiple=True, help="Send again, even if sent or uncertain.")
@with_agencies
def scorecards(
    agencies: Agencies, grain: str, period: str | None, outbox: Path | None, send: bool, resend: tuple[str, ...]
) -> None:
    """Write the group's scorecards as mails into an outbox, or send them.

    One for each reader of `leadership` in the file of the agencies. With --send the exit code is 1 if anything was
    deferred, uncertain or refused.
    """
    if send or resend:
        _send(agencies, grain, period, resend)
        return
    from amkpi.core.terminal import counted
    from amkpi.group.mail.outbox import write_to_outbox
    from amkpi.interfaces.cli import console

    with console.step("mails") as (progress, result):
        files = write_to_outbox(agencies, outbox, grain, period, progress)
        result(f"{counted(len(files), 'mail', 'mails')} in {files[0].parent}")


def _send(agencies: Agencies, grain: str, period: str | None, resend: tuple[str, ...]) -> None:
    from amkpi.group.home import group_run
    from amkpi.group.mail.delivery import send
    from amkpi.interfaces.cli import console

    run = group_run(agencies)
    server = mail_server(run)
    with console.step("scorecards") as (progress, result):
        report = send(agencies, run, server, grain, period, resend, progress=progress)
        show_counts(report, result)
    show_delivery(report)
    if report.held:
        raise AmkpiError(f"no mail was sent: {report.held}")
    check_delivered(report.undelivered)


@group.command(
    epilog=examples(
        "amkpi group query \"from group_kpi_values where level = 'group'\"",
        'amkpi group query "from group_agencies" --format csv > agencies.csv',
    )
)
@query_options
@with_agencies
def query(agencies: Agencies, sql: str, form: str | None, output: Path | None) -> None:
    """Query the group's published marts with SQL.

    SQL: as for `amkpi query`.
    """
    from amkpi.group.home import group_run
    from amkpi.interfaces.cli.query_output import query_as_given

    query_as_given(group_run(agencies), sql, form, output)
