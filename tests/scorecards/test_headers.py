"""Headers as other programs read them: no space lost, no line too long, no header more than were meant."""

from __future__ import annotations

import random
from dataclasses import replace
from email import message_from_bytes
from email.header import decode_header, make_header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import compat32

import pytest

from amkpi.core.run import Run
from amkpi.scorecards.mail.messages import POLICY
from amkpi.scorecards.mail.options import Options
from amkpi.scorecards.mail.outbox import write_to_outbox
from tests.scorecards import agency

WORDS = [
    *agency.DIACRITICS.split(),
    *agency.HOSTILE,
    "chỉ",
    "số",
    "cần",
    "(B),",
    '"q"',
    "a,b",
    "T9/2026",
    "·",
    "x" * 40,
]


def read(content: bytes, name: str) -> str:
    """A header as RFC 2047 says it is read, by the older parser, which undoes nothing that the writer did."""
    return str(make_header(decode_header(message_from_bytes(content, policy=compat32)[name])))


@pytest.mark.parametrize("seed", range(5))
def test_a_long_vietnamese_subject_and_name_arrive_letter_for_letter(seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(60):
        text = " ".join(draw.choice(WORDS) for _ in range(draw.randint(1, 18)))
        mail = EmailMessage(policy=POLICY)
        mail["Subject"] = text
        mail["To"] = [Address(text, addr_spec="a@agency.example"), Address("Lan", addr_spec="b@agency.example")]
        mail.set_content("x")
        content = mail.as_bytes()
        assert all(len(line) <= 78 for line in content.split(b"\r\n"))
        assert read(content, "Subject") == text
        parsed = message_from_bytes(content, policy=POLICY)
        assert [each.addr_spec for each in parsed["To"].addresses] == ["a@agency.example", "b@agency.example"]
        if not text.isascii():
            assert read(content, "To").startswith(f"{text} <a@agency.example>")


def test_a_hostile_name_stays_in_its_own_header_and_names_no_file(run: Run) -> None:
    name = "Trần <b>Ẩn</b>, =cmd|' /C calc'!A0 日本 \"x\"\r\nBcc: evil@x.example"
    tables = ("scorecards", "scorecard_lines", "kpi_values", "dim_staff")
    renamed = "; ".join(f"update {table} set staff_id = 'M/1 ẩ' where staff_id = 'M1'" for table in tables)
    named = f"update dim_staff set full_name = $${name}$$ where staff_id = 'M1'"
    agency.change(run.home.current.resolve(), f"{named}; {renamed}")
    outbox = run.home.root / "outbox"
    write_to_outbox(run, outbox, period="2026-09", to=("M/1 ẩ",), options=replace(Options(), workbook=True))
    (file,) = outbox.glob("*.eml")
    assert file.name == "month_2026-09_M%2F1%20%E1%BA%A9.eml"
    content = file.read_bytes()
    parsed = message_from_bytes(content, policy=POLICY)
    assert parsed["Bcc"] is None
    one_line = " ".join(name.split())
    assert read(content, "Subject").startswith(f"T9/2026 · {one_line}: ")
    assert one_line in read(content, "To")
    names = [part.get_filename() for part in parsed.walk() if part.get_filename()]
    assert names == ["chart.png", *(f"scorecard_month_2026-09_M%2F1%20%E1%BA%A9.{kind}" for kind in ("pdf", "xlsx"))]
    page = parsed.get_body(("html",)).get_content()
    assert "<b>Ẩn" not in page
    assert "&lt;b&gt;Ẩn&lt;/b&gt;" in page
