"""What a mail says of closings: by whom and when its period was closed, and what was learned of it since."""

from __future__ import annotations

from amkpi.core.run import Run
from tests.scorecards import agency
from tests.scorecards.test_mails import mails, part, read

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


def section(text: str, title: str) -> list[str]:
    return text.split(f"== {title} ==\n")[1].split("\n\n")[0].splitlines()


def test_a_closed_period_says_by_whom_and_when_and_has_its_adjustments_open_and_taken_up(run: Run) -> None:
    agency.change(run.home.current.resolve(), CLOSE.format(month="2026-09-01", carried="date '2026-10-01'"))
    found = mails(run)
    text, page = part(found["M1"], "plain"), read(part(found["M1"], "html"))
    assert "Đã chốt bởi Chị Hoa <b> ngày 09/10/2026 · dữ liệu đến hết 08/10/2026" in text
    assert "<b>" in page, "a name is text and nothing more"
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
