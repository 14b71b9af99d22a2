"""Commands that write or send mails: scorecards, alerts."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from amkpi.core.errors import AmkpiError
from amkpi.interfaces.cli.options import FOLDER, examples, grain_option, with_run

if TYPE_CHECKING:
    from amkpi.core.run import Run
    from amkpi.scorecards.mail.report import DeliveryReport
    from amkpi.scorecards.mail.smtp import Server

# The name that Airflow gives to the connection `amkpi_smtp`: the command and the DAG use the same server.
CONNECTION = "AIRFLOW_CONN_AMKPI_SMTP"


@click.command(
    epilog=examples(
        "amkpi scorecards --period 2026-09",
        "amkpi scorecards --period 2026-09 --to NV003 --outbox ./mails",
        "amkpi scorecards --due --send",
    )
)
@grain_option
@click.option("--period", metavar="2026-09", help="The period.  [default: the newest]")
@click.option("--to", metavar="STAFF_ID", multiple=True, help="Only this person; may be repeated.")
@click.option("--outbox", type=FOLDER, metavar="DIR", help="Where the mails are written.  [default: HOME/outbox]")
@click.option("--send", is_flag=True, help=f"Send them by {CONNECTION} instead.")
@click.option("--due", is_flag=True, help="All that is due now by the settings, instead of one period.")
@click.option("--resend", metavar="STAFF_ID", multiple=True, help="Send again, even if sent or uncertain.")
@with_run
def scorecards(
    run: Run,
    grain: str,
    period: str | None,
    to: tuple[str, ...],
    outbox: Path | None,
    send: bool,
    due: bool,
    resend: tuple[str, ...],
) -> None:
    """Write the scorecards as mails into an outbox, or send them.

    With --send the exit code is 1 if anything was deferred, uncertain or refused.
    """
    if due and (period or resend):
        raise click.UsageError("--due chooses the periods itself: leave out --period and --resend")
    undelivered = 0
    for of_grain, of_period, since in _due(run) if due else [(grain, period, None)]:
        if send or resend:
            undelivered += _send(run, of_grain, of_period, to, resend, since)
        else:
            _write(run, of_grain, of_period, to, outbox, since)
    check_delivered(undelivered)


def check_delivered(undelivered: int) -> None:
    """Raise AmkpiError where so many mails are undelivered."""
    from amkpi.core import terminal

    if undelivered:
        mails = terminal.counted(undelivered, "mail was", "mails were")
        raise AmkpiError(f"{mails} not delivered for certain: see the lines above")


@click.command(epilog=examples("amkpi alerts"))
@with_run
def alerts(run: Run) -> None:
    """Mail new incidents to the operator.

    The mail server is the one of AIRFLOW_CONN_AMKPI_SMTP, else of the setting mail_server_file.
    """
    _alerts(run)


# The name of `amkpi alerts` in version 0.1.0.
@click.command(hidden=True, epilog=examples("amkpi alerts"))
@with_run
def alarms(run: Run) -> None:
    """The same as `amkpi alerts`."""
    _alerts(run)


def _alerts(run: Run) -> None:
    from amkpi.alerts import notify
    from amkpi.core import terminal
    from amkpi.interfaces.cli import console

    with console.step("alerts") as (progress, result):
        found = notify.monitor(run, lambda: mail_server(run), progress)
        result(f"{len(found)} open" if found else "no open incident")
    for alert in found:
        terminal.warn(f"{alert.incident.type} {alert.incident.about}: {alert.incident.facts}")


def mail_server(run: Run) -> Server:
    """The mail server of AIRFLOW_CONN_AMKPI_SMTP, else of the setting `mail_server_file`. Raises AmkpiError."""
    from amkpi.scorecards.mail.smtp import server_of_text

    text, file = os.environ.get(CONNECTION, ""), run.settings.mail.server_file
    if not text and file:
        try:
            text = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise AmkpiError(f"setting mail_server_file: {file} cannot be read: {error}") from error
    if not text:
        raise AmkpiError(
            f"no mail server: set {CONNECTION}, such as smtp://user:password@mail.example:587/?security=starttls, or"
            " the setting mail_server_file"
        )
    return server_of_text(text)


def _due(run: Run) -> list[tuple[str, str | None, date | None]]:
    """Grain, period and due date of what the cadences of the settings make due now."""
    from zoneinfo import ZoneInfo

    from amkpi.core import terminal
    from amkpi.scorecards.mail.options import options_of
    from amkpi.scorecards.mail.schedule import due

    found = due(run.now().astimezone(ZoneInfo(run.settings.timezone)), options_of(run.settings))
    if not found:
        terminal.report("no scorecards are due")
    return [(each.grain, each.period, each.since) for each in found]


def _write(
    run: Run, grain: str, period: str | None, to: tuple[str, ...], outbox: Path | None, since: date | None
) -> None:
    """Write one file a recipient into the outbox, HOME/outbox when None, and print what happened to each.

    since: the due date; None for what a person asks for. Raises AmkpiError; a period that is only due may have no
    scorecards.
    """
    from amkpi.core import terminal
    from amkpi.interfaces.cli import console
    from amkpi.scorecards.mail.options import options_of
    from amkpi.scorecards.mail.outbox import write_to_outbox
    from amkpi.scorecards.mail.prepare import NoScorecards

    target, report = outbox or run.home.outbox, None
    with console.step("scorecards") as (progress, result):
        try:
            report = write_to_outbox(run, target, grain, period, to, options_of(run.settings), progress)
        except NoScorecards as error:
            if since is None:
                raise
            result(f"no mails, {grain} {period}")
            terminal.warn(f"no mail of {period} was written: {error}")
        else:
            written = report.count("written")
            result(f"{terminal.counted(written, 'mail', 'mails')} in {target}, {report.grain} {report.period}")
    if report is not None:
        show_delivery(report)


def _send(
    run: Run, grain: str, period: str | None, to: tuple[str, ...], resend: tuple[str, ...], since: date | None
) -> int:
    """Send the scorecards by the connection `amkpi_smtp`; returns how many mails are undelivered.

    since: the due date; None for what a person asks for.

    Raises AmkpiError without a connection, or when what a person asked for is held back.
    """
    from amkpi.core import terminal
    from amkpi.interfaces.cli import console
    from amkpi.scorecards.mail.delivery import send
    from amkpi.scorecards.mail.options import options_of

    server = mail_server(run)
    with console.step("scorecards") as (progress, result):
        report = send(
            run, server, grain, period, to, resend, since=since, options=options_of(run.settings), progress=progress
        )
        show_counts(report, result)
    show_delivery(report)
    if report.held and since is not None:
        terminal.warn(f"no mail of {report.period} was sent: {report.held}")
    elif report.held:
        raise AmkpiError(f"no mail was sent: {report.held}")
    return report.undelivered


def show_counts(report: DeliveryReport, result: Callable[..., None]) -> None:
    """End a step with how many mails had which outcome."""
    from amkpi.scorecards.mail.report import UNDELIVERED

    counts = [f"{report.count('sent')} sent", f"{report.count('sent_before')} sent before"]
    counts += [f"{report.count(outcome)} {outcome}" for outcome in UNDELIVERED if report.count(outcome)]
    result(", ".join(counts), failed=bool(report.undelivered))


def show_delivery(report: DeliveryReport) -> None:
    """Name who asked for no mails, and every mail with a problem."""
    from amkpi.core import terminal

    without = [result.staff_id for result in report.results if result.outcome == "unsubscribed"]
    if without:
        terminal.report(f"no mail for who asked for none (mail_unsubscribed): {', '.join(without)}")
    for result in report.problems:
        terminal.warn(f"{result.staff_id}: {result.outcome}: {result.detail}")


@click.command(epilog=examples("amkpi addresses", "amkpi addresses --confirm NV003"))
@click.option("--confirm", metavar="STAFF_ID", multiple=True, help="Confirm this change; may be repeated.")
@click.option("--confirm-all", is_flag=True, help="Confirm all changes.")
@click.option("--without-notice", is_flag=True, help="Also what the old address could not be told of.")
@with_run
def addresses(run: Run, confirm: tuple[str, ...], confirm_all: bool, without_notice: bool) -> None:
    """List the changed addresses that are held, or confirm them.

    A changed address of the staff extract gets nothing before the old one and the operator were told, and hours of
    mail_address_hold_hours have gone by, or somebody has confirmed it here.
    """
    from amkpi.access import addresses as store
    from amkpi.core import terminal
    from amkpi.core.language.names import plain

    waiting = {each.staff_id: each for each in store.changes(run.home.state)}
    unknown = [staff_id for staff_id in confirm if staff_id not in waiting]
    if unknown:
        raise AmkpiError(f"no address of {', '.join(unknown)} is held: amkpi addresses lists those that are")
    chosen = list(waiting) if confirm_all else list(confirm)
    if chosen and not without_notice and any(waiting[each].old_told is None for each in chosen):
        _tell_old_addresses(run)
        waiting = {each.staff_id: each for each in store.changes(run.home.state)}
        untold = [each for each in chosen if each in waiting and waiting[each].old_told is None]
        if untold:
            raise AmkpiError(
                f"the old address of {', '.join(untold)} could not be told: mend the mail server, or ask the person and"
                " add --without-notice"
            )
    store.confirm(run.home, [waiting[each] for each in chosen if each in waiting])
    for each in chosen:
        terminal.report(f"{each}: the new address gets mails and sign-in links from now on")
    for change in store.changes(run.home.state):
        told = f"told {change.told:%Y-%m-%d %H:%M} UTC" if change.told else "not told yet"
        terminal.report(f"{plain(change.staff_id)}: {plain(change.old)} -> {plain(change.new)}, held, {told}")


def _tell_old_addresses(run: Run) -> None:
    """Send the notices that wait. Raises AmkpiError without a mail server."""
    from amkpi.alerts.notify import announce_addresses
    from amkpi.core import terminal

    announce_addresses(run, lambda: mail_server(run), terminal.report)
