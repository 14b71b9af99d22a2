"""The templates of questions.yml: `python -m tests.interfaces.mcp.question_templates` writes it.

Each question has the call that answers it and what it means: the row of the marts with which the answer is compared, or
the error that it must be. The people and periods are those of the sample agency of docs/analysts.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from amkpi.core.catalogue import kpis

FILE = Path(__file__).with_name("questions.yml")
# By the name of the command line: in Vietnamese, in English, grain, first day.
PERIODS = {
    "2026-09": ("tháng 9/2026", "September 2026", "month", "2026-09-01"),
    "2026-08": ("tháng 8/2026", "August 2026", "month", "2026-08-01"),
    "2026-10": ("tháng 10/2026", "October 2026", "month", "2026-10-01"),
    "2025-05": ("tháng 5/2025", "May 2025", "month", "2025-05-01"),
    "2025-04": ("tháng 4/2025", "April 2025", "month", "2025-04-01"),
    "2026-Q3": ("quý 3/2026", "Q3 2026", "quarter", "2026-07-01"),
    "2026-Q2": ("quý 2/2026", "Q2 2026", "quarter", "2026-04-01"),
    "2025-Q3": ("quý 3/2025", "Q3 2025", "quarter", "2025-07-01"),
    "2026": ("năm 2026", "2026", "year", "2026-01-01"),
    "2025": ("năm 2025", "2025", "year", "2025-01-01"),
    "t12m:2026-09": ("12 tháng đến tháng 9/2026", "the 12 months to September 2026", "trailing_12m", "2025-10-01"),
    "t12m:2025-06": ("12 tháng đến tháng 6/2025", "the 12 months to June 2025", "trailing_12m", "2024-07-01"),
    "t12m:2025-04": ("12 tháng đến tháng 4/2025", "the 12 months to April 2025", "trailing_12m", "2024-05-01"),
    "t12m:2026-10": ("12 tháng đến tháng 10/2026", "the 12 months to October 2026", "trailing_12m", "2025-11-01"),
}
PEOPLE = {
    "NV002": "Vũ Phương Trâm", "NV003": "Phạm Diệu Uyên", "NV004": "Phạm Văn Duy", "NV005": "Nguyễn Thành Khoa",
    "NV006": "Trần Đức Bình", "NV007": "Đặng Mai Hà", "NV008": "Nguyễn Minh Châu", "NV009": "Nguyễn Hoàng Vinh",
}  # fmt: skip
GRAINS = ("2026-09", "2026-Q3", "2026", "t12m:2026-09")
# Where the sample agency has no value, by KPI and reason: scope, person, period.
MISSING = {
    ("client_retention_rate", "no_opening_clients"): ("company", None, "t12m:2025-04"),
    ("client_satisfaction", "no_responses"): ("company", None, "2025-05"),
    ("on_time_delivery_rate", "nothing_due"): ("company", None, "2025-04"),
    ("contract_win_rate", "no_proposals"): ("company", None, "2026-10"),
    ("upsell_cross_sell_rate", "no_opening_clients"): ("company", None, "t12m:2025-04"),
    ("cost_to_budget_ratio", "nothing_delivered"): ("company", None, "2026-10"),
    ("internal_collaboration_score", "no_reviews"): ("own", "NV007", "t12m:2025-04"),
    ("internal_collaboration_score", "period_running"): ("company", None, "t12m:2026-10"),
    ("internal_collaboration_score", "too_few_raters"): ("own", "NV006", "2025-Q3"),
}


def _question(
    text: str, language: str, asked_as: str, tool: str, arguments: dict[str, Any], **expected: Any
) -> dict[str, Any]:
    said = {name: value for name, value in arguments.items() if value is not None}
    if tool in ("get_value", "explain"):
        said["language"] = language
    return {"question": text, "language": language, "as": asked_as, "tool": tool, "arguments": said, **expected}


def _means(kpi: str, scope: str, staff_id: str | None, period: str) -> dict[str, Any]:
    _, _, grain, start = PERIODS[period]
    return {"kpi": kpi, "scope": scope, "staff_id": staff_id, "grain": grain, "start": start}


def values() -> Iterator[dict[str, Any]]:
    for kpi in kpis():
        for place, period in enumerate(GRAINS):
            vi, en = PERIODS[period][:2]
            means = _means(kpi.name, "company", None, period)
            if (kpi.number + place) % 2:
                text, language, given = f"{kpi.label.vi} của công ty {vi} là bao nhiêu?", "vi", kpi.label.vi
            else:
                text, language, given = f"What is the company's {kpi.label.en.lower()} in {en}?", "en", kpi.label.en
            yield _question(text, language, "analyst", "get_value", {"kpi": given, "period": period}, means=means)
        own, team = list(PEOPLE)[kpi.number % 6 + 2], ("NV003", "NV004", "NV005")[kpi.number % 3]
        yield _question(
            f"{kpi.label.vi} của {PEOPLE[own]} quý 3/2026?", "vi", "analyst", "get_value",
            {"kpi": str(kpi.number), "period": "2026-Q3", "person": PEOPLE[own]}, means=_means(kpi.name, "own", own, "2026-Q3"),
        )  # fmt: skip
        yield _question(
            f"How is {own} doing on {kpi.label.en.lower()} in 2026?", "en", "NV003", "get_value",
            {"kpi": kpi.name, "period": "2026", "person": own}, means=_means(kpi.name, "own", own, "2026"),
        )  # fmt: skip
        yield _question(
            f"{kpi.label.vi} của tôi tháng 9/2026?", "vi", "NV005", "get_value",
            {"kpi": kpi.label.vi.upper(), "period": "2026-09", "person": "tôi"}, means=_means(kpi.name, "own", "NV005", "2026-09"),
        )  # fmt: skip
        yield _question(
            f"Nhóm của {PEOPLE[team]}: {kpi.label.vi.lower()} năm 2026?", "vi", "NV002", "get_value",
            {"kpi": kpi.name, "period": "2026", "person": PEOPLE[team], "scope": "team"}, means=_means(kpi.name, "team", team, "2026"),
        )  # fmt: skip
        yield _question(
            f"And the team of {team}, {kpi.label.en.lower()} over the 12 months to September 2026?", "en", "analyst", "get_value",
            {"kpi": kpi.name, "period": "t12m:2026-09", "person": team, "scope": "team"},
            means=_means(kpi.name, "team", team, "t12m:2026-09"),
        )  # fmt: skip
        yield _question(
            f"Vì sao {kpi.label.vi.lower()} của {PEOPLE[own]} quý 3/2026 như vậy?", "vi", "NV002", "explain",
            {"kpi": kpi.name, "period": "2026-Q3", "person": own}, means=_means(kpi.name, "own", own, "2026-Q3"),
        )  # fmt: skip
        yield _question(
            f"Explain the company's {kpi.label.en.lower()} of 2025.", "en", "analyst", "explain",
            {"kpi": kpi.name, "period": "2025"}, means=_means(kpi.name, "company", None, "2025"),
        )  # fmt: skip


def missing() -> Iterator[dict[str, Any]]:
    by_name = {kpi.name: kpi for kpi in kpis()}
    for (name, reason), (scope, person, period) in MISSING.items():
        vi, en = PERIODS[period][:2]
        whose_vi, whose_en = (PEOPLE[person], person) if person else ("công ty", "the company")
        arguments = {"kpi": name, "period": period, "person": person}
        expected = {"means": _means(name, scope, person, period), "null_reason": reason}
        label = by_name[name].label
        yield _question(
            f"Sao {whose_vi} không có {label.vi.lower()} {vi}?", "vi", "analyst", "get_value", arguments, **expected
        )
        yield _question(
            f"Why is there no {label.en.lower()} for {whose_en} in {en}?",
            "en",
            "analyst",
            "explain",
            arguments,
            **expected,
        )


def lists() -> Iterator[dict[str, Any]]:
    for kpi in kpis():
        for state, text in kpi.states.items():
            yield _question(
                f"Liệt kê hồ sơ «{text.vi}» của {kpi.label.vi.lower()} toàn công ty năm 2026.", "vi", "analyst", "records",
                {"kpi": kpi.name, "period": "2026", "state": state, "limit": 200},
                means=_means(kpi.name, "company", None, "2026"), state=state,
            )  # fmt: skip
        if kpi.has_records:
            yield _question(
                f"Which records are behind my {kpi.label.en.lower()} of Q3 2026?", "en", "NV007", "records",
                {"kpi": kpi.name, "period": "2026-Q3", "person": "me", "limit": 200}, means=_means(kpi.name, "own", "NV007", "2026-Q3"),
            )  # fmt: skip
        yield _question(
            f"Ai có {kpi.label.vi.lower()} tốt nhất quý 3/2026?", "vi", "analyst", "compare",
            {"kpi": kpi.name, "period": "2026-Q3"}, means=_means(kpi.name, "own", None, "2026-Q3"),
        )  # fmt: skip
        yield _question(
            f"Rank the teams by {kpi.label.en.lower()} in 2026.", "en", "NV002", "compare",
            {"kpi": kpi.name, "period": "2026", "scope": "team"}, means=_means(kpi.name, "team", None, "2026"),
        )  # fmt: skip
        yield _question(
            f"Who of my people improved most on {kpi.label.en.lower()} from Q2 to Q3 2026?", "en", "NV003", "compare",
            {"kpi": kpi.name, "period": "2026-Q3", "other_period": "2026-Q2"},
            means=_means(kpi.name, "own", None, "2026-Q3"), other=PERIODS["2026-Q2"][3],
        )  # fmt: skip
    for person, name in PEOPLE.items():
        yield _question(
            f"{name} có gì thay đổi trong tháng 9/2026?", "vi", "analyst", "what_changed",
            {"period": "2026-09", "person": name}, means=_means("", "own", person, "2026-09"),
        )  # fmt: skip
    for person, period in (("NV003", "2026-Q3"), ("NV004", "2026"), ("NV005", "t12m:2026-09"), ("NV002", "2026-09")):
        yield _question(
            f"What changed for the team of {person} in {PERIODS[period][1]}?", "en", "NV002", "what_changed",
            {"period": period, "person": person, "scope": "team"}, means=_means("", "team", person, period),
        )  # fmt: skip
    for period in GRAINS:
        yield _question(
            f"Công ty thay đổi ra sao trong {PERIODS[period][0]}?", "vi", "NV002", "what_changed",
            {"period": period}, means=_means("", "company", None, period),
        )  # fmt: skip
    yield _question("Có những KPI nào?", "vi", "NV009", "list_kpis", {}, means=_means("", "company", None, "2026"))
    yield _question(
        "Which KPIs and periods can I ask for?",
        "en",
        "analyst",
        "list_kpis",
        {},
        means=_means("", "company", None, "2026"),
    )
    for language, text, sql in (
        ("vi", "Có bao nhiêu khách hàng đang hoạt động?", "select count(*) from client_overview where is_active"),
        ("en", "How many projects are overdue by client?", "select client_name, projects_overdue from client_overview order by 1"),
        ("en", "Proposals of Q3 2026 by state, with their sums?", "select state, count(*), sum(amount) from kpi_evidence where"
         " kpi = 'contract_win_rate' and period_grain = 'quarter' and period_start = date '2026-07-01' group by all order by 1"),
        ("vi", "Xếp loại quý 3/2026 của từng người?", "select staff_id, rating from scorecards where scope = 'own' and"
         " period_grain = 'quarter' and period_start = date '2026-07-01' order by 1"),
        ("vi", "Hàng nào đang bị giữ lại?", "select extract, reason, count(*) from quarantined_rows group by all order by all"),
        ("en", "Which files were loaded?", "select file_name, status from load_ledger order by all"),
    ):  # fmt: skip
        yield _question(text, language, "analyst", "query", {"sql": sql}, sql=sql)


def refused() -> Iterator[dict[str, Any]]:
    value = {"kpi": "on_time", "period": "2026-09"}
    for language, text, asked_as, tool, arguments, error in (
        ("vi", "Chỉ số khách hàng tháng 9?", "analyst", "get_value", {"kpi": "client"}, "fits 3 KPIs: name one of"),
        ("vi", "Tỷ lệ tháng 9 thế nào?", "analyst", "get_value", {"kpi": "tỷ lệ"}, "KPIs: name one of"),
        ("en", "What is the rate?", "analyst", "explain", {"kpi": "rate"}, "fits 4 KPIs: name one of"),
        ("vi", "Uyên giao đúng hạn không?", "analyst", "get_value", {**value, "person": "Uyên"}, "fits 2 people: give the staff id"),
        ("vi", "Còn anh Duy?", "analyst", "get_value", {**value, "person": "duy"}, "people: give the staff id of"),
        ("en", "How about Nguyễn?", "NV003", "records", {**value, "person": "Nguyen"}, "fits 3 people: give the staff id of"),
        ("en", "And Phạm's team?", "analyst", "what_changed", {"person": "Phạm", "scope": "team"}, "people: give the staff id of"),
        ("vi", "Doanh thu công ty?", "NV009", "get_value", {"kpi": "revenue"}, "NV009 may not read the company"),
        ("en", "Explain the company's revenue.", "NV003", "explain", {"kpi": "revenue"}, "NV003 may not read the company"),
        ("vi", "Sếp tôi giao đúng hạn không?", "NV009", "get_value", {**value, "person": "NV005"}, "may not read the own values of NV005"),
        ("en", "How is my director's team?", "NV009", "get_value", {**value, "person": "NV003", "scope": "team"}, "may not read the team"),
        ("vi", "Anh Khoa thì sao?", "NV004", "explain", {**value, "person": "Nguyễn Thành Khoa"}, "no person 'Nguyễn Thành Khoa' whom NV004 may read"),
        ("en", "List Khoa's projects.", "NV004", "records", {**value, "person": "NV005"}, "may not read the own values of NV005"),
        ("en", "List all projects of the company.", "NV006", "records", value, "NV006 may not read the company"),
        ("vi", "So sánh Hà với Vinh.", "NV007", "compare", {**value, "people": ["me", "NV009"]}, "may not read the own values of NV009"),
        ("en", "Compare the company's quarters.", "NV008", "compare", {**value, "scope": "company"}, "NV008 may not read the company"),
        ("vi", "Công ty có gì thay đổi?", "NV005", "what_changed", {}, "NV005 may not read the company"),
        ("en", "What changed for my boss?", "NV006", "what_changed", {"person": "NV004"}, "may not read the own values of NV004"),
        ("en", "Run SQL on everybody.", "NV003", "query", {"sql": "from kpi_values"}, "call get_value, records, compare or what_changed"),
        ("vi", "Chạy SQL giúp tôi.", "NV002", "query", {"sql": "from scorecards"}, "call get_value, records, compare or what_changed"),
        ("vi", "Ai đã chấm điểm phối hợp của tôi?", "NV005", "records", {"kpi": "8", "person": "me"}, "is private: its reviews are never listed"),
        ("en", "List all peer reviews.", "analyst", "records", {"kpi": "collaboration"}, "call get_value or explain"),
        ("en", "What is the churn?", "analyst", "get_value", {"kpi": "churn"}, "no KPI 'churn'"),
        ("vi", "Tháng 13 thế nào?", "analyst", "get_value", {"kpi": "1", "period": "2026-13"}, "write it as 2026-09, 2026-Q3"),
        ("en", "How was 2019?", "analyst", "get_value", {"kpi": "1", "period": "2019"}, "no value for 2019: there are 2025 to 2026"),
        ("en", "How is Santa doing?", "analyst", "get_value", {**value, "person": "Santa"}, "list_kpis names the people"),
        ("vi", "Của tôi thì sao?", "analyst", "get_value", {**value, "person": "me"}, "an analyst is nobody of the staff"),
        ("en", "Which projects are purple?", "analyst", "records", {**value, "state": "purple"}, "there are delivered_on_time"),
        ("en", "The team's rate?", "analyst", "get_value", {**value, "scope": "team"}, "scope team needs a person"),
        ("en", "The company of Khoa?", "analyst", "get_value", {**value, "person": "NV005", "scope": "company"}, "the company is not a person"),
        ("en", "Lan's rate, with a misspelt argument?", "analyst", "get_value", {**value, "persn": "NV005"}, "Extra inputs are not permitted"),
        ("en", "Delete everything.", "analyst", "query", {"sql": "delete from kpi_values"}, "DELETE is refused"),
        ("en", "Read a file of the server.", "analyst", "query", {"sql": "from read_text('/etc/passwd')"}, "the query failed: Permission Error"),
        ("en", "Two questions at once.", "analyst", "query", {"sql": "select 1; select 2"}, "a query is one statement"),
    ):  # fmt: skip
        yield _question(text, language, asked_as, tool, arguments, error=error)


def text() -> str:
    """The content of questions.yml."""
    found = [*values(), *missing(), *lists(), *refused()]
    head = "# Written by tests/interfaces/mcp/question_templates.py.\n"
    return head + yaml.safe_dump(found, allow_unicode=True, sort_keys=False, width=200)


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
