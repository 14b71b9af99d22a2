"""Every figure in every mail and PDF equals the published marts, and the check sees a single digit that does not."""

from __future__ import annotations

import io
import re
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import duckdb
import pytest
from pypdf import PdfReader

from amkpi.core.language.periods import Period
from amkpi.core.run import Run
from amkpi.publishing.reader import published
from amkpi.scorecards.mail.options import Options
from amkpi.scorecards.mail.outbox import write_to_outbox
from tests.scorecards import figures
from tests.scorecards.test_mails import attached, part


def wrong_in(connection: duckdb.DuckDBPyConnection, staff_id: str, mail: EmailMessage, period: Period) -> list[str]:
    """What a mail and its PDF say that the marts do not."""
    language = str(mail["Content-Language"])
    role = connection.execute("select role from dim_staff where staff_id = ?", [staff_id]).fetchall()[0][0]
    own = connection.execute(
        "select distinct scope, staff_id from scorecards where period_start = ? and period_grain = ?"
        " and (staff_id = ? or (staff_id is null and ?))",
        [period.start, period.grain, staff_id, role == "group_account_director"],
    ).fetchall()
    team = connection.execute(
        "with recursive below as (select staff_id from dim_staff where manager_id = ? union select dim_staff.staff_id"
        " from dim_staff inner join below on dim_staff.manager_id = below.staff_id) select staff_id from below"
        " inner join scorecards using (staff_id) where scope = 'own' and period_grain = ? and period_start = ?",
        [staff_id, period.grain, period.start],
    ).fetchall()
    subjects = sorted(own, key=lambda each: ("company", "team", "own").index(each[0]))
    cards = [figures.card(connection, scope, who, period, language) for scope, who in subjects]
    people = {who: figures.card(connection, "own", who, period, language) for (who,) in team}
    blocks = figures.cards_of(part(mail, "plain"), language)
    assert len(cards) <= len(blocks) <= len(cards) + 4
    wrong = [each for block, card in zip(blocks, cards, strict=False) for each in figures.wrong_in_text(block, card)]
    for block in blocks[len(cards) :]:
        if not any(figures.wrong_in_text(block, card) == [] for card in people.values()):
            wrong.append(f"nobody's card: {block}")
    reader = PdfReader(io.BytesIO(attached(mail, "pdf")))
    text = " ".join(" ".join(page.extract_text() for page in reader.pages).split())
    return wrong + [each for card in [*cards, *people.values()] for each in figures.wrong_in_pdf(text, card)]


@pytest.mark.slow
@pytest.mark.parametrize("period", ["2026-09", "2026-10"])
def test_every_figure_of_every_mail_and_pdf_equals_the_marts(run: Run, period: str) -> None:
    outbox = run.home.root / "outbox"
    write_to_outbox(run, outbox, period=period, options=Options())
    files = sorted(outbox.glob("*.eml"))
    assert len(files) == 6
    with published(run.home, run.settings) as connection:
        for file in files:
            mail: Any = message_from_bytes(file.read_bytes(), policy=default)
            assert wrong_in(connection, file.stem.split("_")[-1], mail, Period.parse("month", period)) == []


@pytest.mark.slow
def test_no_digit_of_a_card_can_be_another_one_unseen(run: Run) -> None:
    outbox = run.home.root / "outbox"
    write_to_outbox(run, outbox, period="2026-09", to=("D1",), options=Options())
    mail: Any = message_from_bytes((outbox / "month_2026-09_D1.eml").read_bytes(), policy=default)
    reader = PdfReader(io.BytesIO(attached(mail, "pdf")))
    pdf = " ".join(" ".join(page.extract_text() for page in reader.pages).split())
    with published(run.home, run.settings) as connection:
        card = figures.card(connection, "team", "D1", Period.parse("month", "2026-09"), "vi")
    block = figures.cards_of(part(mail, "plain"), "vi")[0]
    assert figures.wrong_in_text(block, card) == []
    tried = 0
    for at, line in enumerate(block):
        for found in re.finditer(r"\d", line):
            other = line[: found.start()] + str((int(found[0]) + 1) % 10) + line[found.end() :]
            assert figures.wrong_in_text([*block[:at], other, *block[at + 1 :]], card), other
            tried += 1
    assert tried > 200
    for row in card.rows:
        for found in re.finditer(r"\d", row.pdf):
            other = row.pdf[: found.start()] + str((int(found[0]) + 1) % 10) + row.pdf[found.end() :]
            assert figures.wrong_in_pdf(pdf.replace(row.pdf, other), card), other
