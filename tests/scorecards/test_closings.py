"""What a mail says of closings: by whom and when its period was closed, and what was learned of it since."""

from __future__ import annotations

import io
import re
from email.message import EmailMessage

import pytest
from pypdf import PdfReader

from amkpi.core.errors import ClosingsBroken
from amkpi.core.run import Run
from tests.scorecards import agency
from tests.scorecards.test_mails import attached, mails, part, read

pytestmark = pytest.mark.slow

CLOSE = """
insert into closings (n, period_grain, period_start, closed_at, closed_by, as_of) values
    (1, 'month', '{month}', '2026-10-09 09:00:00+07', 'Chị Hoa <b>', '2026-10-08');
update publication set closing_n = 1, closing_sha256 = repeat('ab', 32);
insert into adjustments values
    ('client_revenue', 'own', 'M1', 'month', '{month}', 60000000, 0, 90000000, 'late_rows', null),
    ('contract_win_rate', 'own', 'M1', 'month', '{month}', 1, 0, 0.5, 'decided_since', {carried}),
    ('client_revenue', 'own', 'M3', 'month', '{month}', 1, 0, 1, 'late_rows', null);
insert into adjustment_evidence values
    ('fresh', null, 'client_revenue', 'M1', 'C1', 'month', '{month}', 'HD2', 10000000, null),
    ('fresh', null, 'client_revenue', 'M1', 'C1', 'month', '{month}', 'HD1', 50000000, null);
insert into adjusted_scores values
    ('own', 'M1', 'month', '{month}', 101.94, 'A', 109.04, 'A+', 'late_rows,targets_changed');
"""


def close_september(run: Run) -> None:
    agency.close(run.home)
    agency.change(run.home.current.resolve(), CLOSE.format(month="2026-09-01", carried="date '2026-10-01'"))


def section(text: str, title: str) -> list[str]:
    return text.split(f"== {title} ==\n")[1].split("\n\n")[0].splitlines()


@pytest.mark.slow
def test_a_closed_period_says_when_and_for_some_by_whom_and_has_its_adjustments_open_and_taken_up(
    run: Run,
) -> None:
    close_september(run)
    found = mails(run)
    text, page = part(found["M1"], "plain"), read(part(found["M1"], "html"))
    assert "Đã chốt ngày 09/10/2026 · dữ liệu đến hết 08/10/2026" in text
    assert "Hoa" not in text + page, "only who reads the company knows who closed a period"
    of_company = found["G1"]
    assert "Đã chốt bởi Chị Hoa <b> ngày 09/10/2026 · dữ liệu đến hết 08/10/2026" in part(of_company, "plain")
    assert "Hoa &lt;b&gt;" in part(of_company, "html"), "a name is text and nothing more"
    lines = section(text, "Điều chỉnh các kỳ đã chốt")
    assert lines[0] == (
        "- Điểm tổng hợp, T9/2026, Của riêng anh/chị: 101,9 A → 109,0 A+ (dữ liệu đến muộn, mục tiêu đã đổi)"
    )
    assert lines[1].startswith(
        "- Doanh thu khách hàng, T9/2026, Của riêng anh/chị: +60 triệu ₫, tính lại 90 triệu ₫ (dữ liệu đến muộn)"
        " · chưa đưa vào kỳ nào · HD1 "
    )
    assert ", HD2 " in lines[1]
    assert lines[2] == (
        "- Tỷ lệ thắng hợp đồng, T9/2026, Của riêng anh/chị: +1 / ±0, tính lại 50,0% (đề xuất nay đã có kết quả)"
        " · đã đưa vào T10/2026"
    )
    assert len(lines) == 3, "nobody reads of people outside the team"
    # The register's last line is named, in full in the text.
    assert f"Sổ chốt kỳ 1 {'ab' * 32}" in text


# After the closing Lan has married, has become the director of all, and M1 has moved to D2 and is a director; M2 has
# left, N1 has joined Lan's team, and a client has been renamed.
LATER = """
update dim_staff set full_name = 'Nguyễn Thị Lan Mới', email = 'lan.new@agency.example' where staff_id = 'D1';
update dim_staff set role = 'account_director', manager_id = 'D2' where staff_id = 'M1';
update dim_staff set is_active = false where staff_id = 'M2';
insert into dim_staff values
    ('N1', 'Người Mới', 'account_manager', 'D1', null, 'n1@agency.example', 'vi', true, '2026-10-12');
update internal.int_management_chain set manager_id = 'D2' where staff_id = 'M1' and manager_id = 'D1';
update dim_client set client_name = 'Tên mới của khách' where client_id = 'C0';
"""


def text_of(mail: EmailMessage) -> str:
    """Everything that the mail prints: plain text, HTML and PDF, spaces made one."""
    pages = PdfReader(io.BytesIO(attached(mail, "pdf"))).pages
    parts = [part(mail, "plain"), read(part(mail, "html")), *(page.extract_text() for page in pages)]
    return " ".join(" ".join(parts).split())


def test_a_closed_period_is_mailed_with_the_names_roles_and_teams_of_the_day_it_was_closed(run: Run) -> None:
    close_september(run)
    agency.change(run.home.current.resolve(), LATER)
    found = mails(run)
    assert found.keys() == {"D1", "D2", "G1", "M1", "M3"}, "who has left gets none, who came later has no row"
    lan = found["D1"]
    assert lan["To"].addresses[0].addr_spec == "lan.new@agency.example", "the address is today's"
    assert "Gửi riêng Nguyễn Thị Lan (D1) " in part(lan, "plain")
    assert "Lê Đức Đạt" in part(lan, "plain")
    assert "Trần Aàáảãạ" in part(lan, "plain"), "M1 was in her team"
    assert "(M1) · Account Manager\n" in part(found["M1"], "plain"), "a director by now"
    whole = {staff_id: text_of(found[staff_id]) for staff_id in ("D1", "D2", "G1")}
    assert "Trần Aàáảãạ" in whole["D1"]
    assert "Trần Aàáảãạ" not in whole["D2"], "M1 came to Nga's team after the closing"
    for text in whole.values():
        assert not [later for later in ("Lan Mới", "Người Mới", "Tên mới của khách") if later in text]


def test_an_open_period_is_mailed_with_the_names_roles_and_teams_of_today(run: Run) -> None:
    agency.change(run.home.current.resolve(), LATER)
    found = mails(run)
    assert "Nguyễn Thị Lan Mới (D1)" in part(found["D1"], "plain")
    assert "Trần Aàáảãạ" not in part(found["D1"], "plain")
    assert "Trần Aàáảãạ" in part(found["D2"], "plain")


def test_a_closed_period_without_its_closing_file_is_not_mailed(run: Run) -> None:
    close_september(run)
    (run.home.closed / "1-2026-09.duckdb").unlink()
    with pytest.raises(ClosingsBroken, match=r"1-2026-09\.duckdb cannot be opened"):
        mails(run)


def test_the_hash_of_the_register_is_whole_in_every_part_of_the_mail(run: Run) -> None:
    close_september(run)
    mail = mails(run)["M1"]
    page = part(mail, "html")
    assert f"Sổ chốt kỳ 1 {'ab' * 32}" in read(page)
    assert re.search(r'<span style="word-break:break-all">(ab){32}</span>', page), "a phone shows it without scrolling"
    pdf = " ".join(each.extract_text() for each in PdfReader(io.BytesIO(attached(mail, "pdf"))).pages)
    assert f"Sổ chốt kỳ 1 {'ab' * 32}" in " ".join(pdf.split())


def test_an_open_period_shows_what_its_closing_would_take_up(run: Run) -> None:
    agency.change(run.home.current.resolve(), CLOSE.format(month="2026-08-01", carried="date '2026-09-01'"))
    text = part(mails(run)["M1"], "plain")
    assert "Kỳ đã kết thúc, chưa chốt" in text
    lines = section(text, "Điều chỉnh các kỳ đã chốt")
    assert [line.split(",")[0] for line in lines] == ["- Điểm tổng hợp", "- Doanh thu khách hàng"]
    assert "T8/2026" in lines[1]


def test_where_nothing_was_closed_a_mail_says_nothing_of_it(run: Run) -> None:
    text = part(mails(run)["M1"], "plain")
    assert "Điều chỉnh các kỳ đã chốt" not in text
    assert "Sổ chốt kỳ" not in text
