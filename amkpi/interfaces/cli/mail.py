"""`amkpi scorecards`: the mails into an outbox, or to their readers."""

from __future__ import annotations

import os
from pathlib import Path

from amkpi.core import terminal
from amkpi.core.errors import AmkpiError
from amkpi.core.run import Run
from amkpi.interfaces.cli import console
from amkpi.scorecards.mail import delivery
from amkpi.scorecards.mail.report import Report
from amkpi.scorecards.mail.smtp import Server

# Named as Airflow does, so that the command and the DAG send by the same connection.
CONNECTION = "AIRFLOW_CONN_AMKPI_SMTP"


def write_scorecards(run: Run, grain: str, period: str | None, to: tuple[str, ...], outbox: Path | None) -> None:
    """Write one file a recipient into the outbox, HOME/outbox when None, and say what became of everybody."""
    target = outbox or run.home.outbox
    with console.step("scorecards") as (progress, result):
        report = delivery.render(run, target, grain, period, to, delivery.options_of(run.settings), progress)
        written = report.count("written")
        result(f"{written} mail{'' if written == 1 else 's'} in {target}, {report.grain} {report.period}")
    _show(report)


def server_by_environment() -> Server:
    """The mail server that the variable of the connection `amkpi_smtp` names. Raises AmkpiError where it is not set."""
    text = os.environ.get(CONNECTION)
    if not text:
        raise AmkpiError(
            f"no mail server: set {CONNECTION}, such as smtp://user:password@mail.example:587/?security=starttls"
        )
    from airflow.models.connection import Connection  # Airflow costs 4 s to import

    given = Connection.from_json(text) if text.lstrip().startswith("{") else Connection(uri=text)
    return delivery.server_of(given)


def watch_over(run: Run) -> None:
    """Look for what needs the operator, mail them what is new, and say what lasts. Raises AmkpiError."""
    from amkpi.alerts import causes

    with console.step("alarms") as (progress, result):
        lasting = causes.watch_over(run, server_by_environment, progress)
        result(f"{len(lasting)} last" if lasting else "nothing needs the operator")
    for alarm in lasting:
        terminal.warn(f"{alarm.trouble.slug} {alarm.trouble.about}: {alarm.trouble.what}")


def send_scorecards(run: Run, grain: str, period: str | None, to: tuple[str, ...], resend: tuple[str, ...]) -> None:
    """Send the scorecards by the connection `amkpi_smtp`. Raises AmkpiError where it is not set, or nothing may go."""
    server = server_by_environment()
    with console.step("scorecards") as (progress, result):
        report = delivery.send(
            run, server, grain, period, to, resend, options=delivery.options_of(run.settings), progress=progress
        )
        result(f"{report.count('sent')} sent, {report.count('sent_before')} sent before")
    _show(report)
    if report.held:
        raise AmkpiError(f"nobody was sent anything: {report.held}")


def _show(report: Report) -> None:
    for outcome in report.trouble:
        terminal.warn(f"{outcome.staff_id}: {outcome.fate}: {outcome.what}")
