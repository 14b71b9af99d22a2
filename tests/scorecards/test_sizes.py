"""No mail is above 2 MB, its PDF and workbook are capped and say so, and a compressed PDF is the same document."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest
from pypdf import PdfReader
from pypdf.generic import StreamObject

from amkpi.core.run import Run
from amkpi.scorecards.mail.messages import message
from amkpi.scorecards.mail.options import Options
from amkpi.scorecards.mail.prepare import prepare
from amkpi.scorecards.model import Scorecard
from amkpi.scorecards.render import pdf as rendering
from amkpi.scorecards.render import workbook as sheets
from amkpi.scorecards.render.html import MOST_HTML_BYTES
from amkpi.scorecards.render.object_streams import with_object_streams
from tests.scorecards import agency
from tests.scorecards.test_mails import attached, part

pytestmark = pytest.mark.usefixtures("rendered_again")

MOST_MAIL_BYTES = 2_000_000
XLSX = "vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def card_of(run: Run, staff_id: str) -> Scorecard:
    (card,) = prepare(run, "month", "2026-09", (staff_id,), Options()).cards
    return card


@pytest.mark.slow
def test_a_compressed_pdf_has_the_same_pages_text_and_tags(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    card = card_of(run, "D1")
    small = rendering.pdf(card)
    monkeypatch.setattr(rendering, "with_object_streams", lambda made: made)
    plain = rendering.pdf(card)
    assert len(small) < len(plain) / 2
    read_small, read_plain = PdfReader(io.BytesIO(small), strict=True), PdfReader(io.BytesIO(plain), strict=True)
    assert [page.extract_text() for page in read_small.pages] == [page.extract_text() for page in read_plain.pages]
    for key in ("/Lang", "/MarkInfo", "/ViewerPreferences"):
        assert read_small.trailer["/Root"].get(key) == read_plain.trailer["/Root"].get(key)
    assert read_small.metadata == read_plain.metadata
    assert small == with_object_streams(plain)
    # Readers other than pypdf find an object by its place in its stream.
    places = read_small.xref_objStm
    assert len(places) > 100
    for number, (stream, place) in places.items():
        held = read_small.get_object(stream)
        assert isinstance(held, StreamObject)
        heads = held.get_data()[: held["/First"]].split()
        assert int(heads[2 * place]) == number


def test_what_is_no_plain_pdf_stays_as_it_is() -> None:
    for given in (b"", b"%PDF-1.7 nothing", b"%PDF-1.7\ntrailer <</Size 1>> startxref 3 %%EOF"):
        assert with_object_streams(given) == given


def test_a_workbook_of_too_many_records_has_the_first_and_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    card = card_of(run, "G1")
    whole = sheets.workbook(card)
    monkeypatch.setattr(sheets, "MOST_WORKBOOK_BYTES", len(whole) - 500)
    made = sheets.workbook(card)
    assert len(made) <= len(whole) - 500
    with zipfile.ZipFile(io.BytesIO(made)) as book:
        sheet, strings = book.read("xl/worksheets/sheet1.xml").decode(), book.read("xl/sharedStrings.xml").decode()
    assert 10 < sheet.count("<row ") < len(card.evidence) + 1
    assert "Còn nhiều dòng không vừa trong tệp này" in strings
    with zipfile.ZipFile(io.BytesIO(whole)) as book:
        assert "Còn nhiều dòng" not in book.read("xl/sharedStrings.xml").decode()


@pytest.mark.slow
def test_a_pdf_of_too_many_people_has_those_who_need_help_most(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    card = card_of(run, "G1")
    monkeypatch.setattr(rendering, "MOST_FULL_CARDS", 2)
    text = " ".join(" ".join(p.extract_text() for p in PdfReader(io.BytesIO(rendering.pdf(card))).pages).split())
    assert card.matrix
    full = [each.title for each in card.everyone if f"{each.title} {each.subtitle} · Điểm tổng hợp" in text]
    assert sorted(full) == sorted(row.name for row in card.matrix.rows[:2])
    assert "không vừa trong tệp này" in text
    assert all(row.name in text for row in card.matrix.rows)


@pytest.mark.slow
def test_no_mail_of_a_company_of_five_hundred_is_above_two_megabytes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = agency.run_of(tmp_path)
    people = [agency.Somebody("G1", "Vũ Phương Trâm", "group_account_director")]
    people += [agency.Somebody(f"D{n}", f"Nguyễn Thị Giám Đốc {n}", "account_director", "G1") for n in range(12)]
    people += [agency.Somebody(f"M{n}", f"Trần Trưởng Nhóm {n}", manager_id=f"D{n % 12}") for n in range(60)]
    people += [agency.Somebody(f"E{n}", f"Lê Văn Nhân Viên {n}", "account_executive", f"M{n % 60}") for n in range(427)]
    agency.publish(run.home, people=tuple(people), months=3, clients=[f"Công ty Cổ phần {n}" for n in range(12)])
    for staff_id in ("G1", "D1"):
        made = message(card_of(run, staff_id), replace(Options(), workbook=True))
        mail = _parsed(made.content)
        sizes = {
            "mail": len(made.content), "html": len(part(mail, "html").encode()), "pdf": len(attached(mail, "pdf")),
            "xlsx": len(attached(mail, XLSX)),
        }  # fmt: skip
        with capsys.disabled():
            print(f"\n{staff_id}: {sizes}")
        assert sizes["mail"] < MOST_MAIL_BYTES
        assert sizes["html"] < MOST_HTML_BYTES


def _parsed(content: bytes) -> EmailMessage:
    mail = message_from_bytes(content, policy=default)
    assert isinstance(mail, EmailMessage)
    return mail
