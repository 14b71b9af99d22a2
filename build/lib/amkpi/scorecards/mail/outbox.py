"""Scorecards as files of a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from amkpi.core.run import Progress, Run, silent
from amkpi.scorecards.mail.messages import message
from amkpi.scorecards.mail.options import Options
from amkpi.scorecards.mail.prepare import prepare
from amkpi.scorecards.mail.report import DeliveryReport, MailResult, server_answer


def write_to_outbox(
    run: Run,
    outbox: Path,
    grain: str = "month",
    period: str | None = None,
    to: Sequence[str] = (),
    options: Options | None = None,
    progress: Progress = silent,
) -> DeliveryReport:
    """Write the scorecards of the current publication into a folder, one `<grain>_<period>_<staff_id>.eml` each.

    period: as `amkpi explain` names it; the one of the publication's date when None. to: only these staff ids.
    Sends nothing and does not change the sending history. Raises AmkpiError.
    """
    options = options or Options()
    prepared = prepare(run, grain, period, to, options)
    outbox.mkdir(parents=True, exist_ok=True)
    results = list(prepared.results)
    for card in prepared.cards:
        mail = message(card, options)
        progress(mail.file_name)
        partial = outbox / f".{mail.file_name}.part"
        partial.write_bytes(mail.content)
        partial.replace(outbox / mail.file_name)
        results.append(MailResult(mail.staff_id, "written", server_answer(mail.file_name)))
    return prepared.report(results)
