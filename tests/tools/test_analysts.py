"""Every example of docs/analysts.md does what the page says, on the agency that the page names."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
import pytest

from tests.paths import ROOT

PAGE = ROOT / "docs" / "analysts.md"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
# Not run: blocks that need a program which the project does not install, and those that make the agency.
SHOWN = {"console"}

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("analysts")]


@dataclass(frozen=True)
class Example:
    """A block of code of the page, with the heading above it."""

    heading: str
    language: str
    code: str


def examples() -> list[Example]:
    text = PAGE.read_text(encoding="utf-8")
    found = []
    for block in _BLOCK.finditer(text):
        heading = re.findall(r"^#+ (.+)$", text[: block.start()], re.M)[-1]
        found.append(Example(heading, block[1], block[2]))
    return found


def of(language: str) -> list[Any]:
    return [pytest.param(each, id=each.heading) for each in examples() if each.language == language]


def answer(home: Path, heading: str) -> list[dict[str, Any]]:
    """The rows of the SQL below the heading."""
    (sql,) = (each.code for each in examples() if each.heading == heading and each.language == "sql")
    return ask(home, sql)


def ask(home: Path, sql: str) -> list[dict[str, Any]]:
    file = (home / "published" / "current.duckdb").resolve()
    with duckdb.connect(str(file), read_only=True) as connection:
        result = connection.execute(sql)
        names = [column[0] for column in result.description or []]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def environment(home: Path) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AMKPI_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{clean['PATH']}"
    return clean | {"AMKPI_HOME": str(home), "PATH": path}


def test_every_block_of_the_page_is_of_a_kind_that_is_run_or_only_shown() -> None:
    assert {each.language for each in examples()} == {"sql", "python", "sh"} | SHOWN
    assert len(of("sql")) >= 8


@pytest.mark.parametrize("example", of("sql"))
def test_a_query_of_the_page_answers(published_home: Path, example: Example) -> None:
    assert ask(published_home, example.code), f"{example.heading}: no rows"


@pytest.mark.parametrize("example", of("python"))
def test_a_program_of_the_page_runs(published_home: Path, tmp_path: Path, example: Example) -> None:
    result = subprocess.run(
        [sys.executable, "-c", example.code],
        env=environment(published_home), cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert re.fullmatch(r"\d+\.\d% of \d+ projects due\n", result.stdout)


@pytest.mark.parametrize("example", of("sh"))
def test_a_command_of_the_page_runs(published_home: Path, tmp_path: Path, example: Example) -> None:
    result = subprocess.run(
        ["bash", "-eu", "-c", example.code],
        env=environment(published_home), cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    written = "".join(path.read_text(encoding="utf-8", errors="replace") for path in tmp_path.iterdir())
    assert len((result.stdout + written).splitlines()) > 2


def test_the_82_per_cent_are_nine_of_the_projects_that_the_page_lists(published_home: Path) -> None:
    projects = answer(published_home, "The nine projects behind the 82%")
    assert [row["on_time"] for row in projects].count(True) == 9
    ((value,),) = (
        tuple(row.values())
        for row in ask(
            published_home,
            "select value from marts.kpi_values where kpi = 'on_time_delivery_rate' and scope = 'own'"
            " and staff_id = 'NV005' and period_grain = 'quarter' and period_start = date '2026-01-01'",
        )
    )
    assert value == pytest.approx(9 / len(projects))
    assert f"{value:.0%}" == "82%"


def test_revenue_by_client_adds_up_to_the_companys(published_home: Path) -> None:
    clients = answer(published_home, "Revenue by client, this year")
    (company,) = ask(
        published_home,
        "select value from marts.kpi_values where kpi = 'client_revenue' and scope = 'company'"
        " and period_grain = 'year' and period_start = date '2026-01-01'",
    )
    assert sum(row["revenue"] for row in clients) == pytest.approx(company["value"])


# What each question has to answer, worked out from the rows of other marts in plain Python, where they have it.
Rows = list[dict[str, Any]]
Marts = Callable[[str], Rows]
AS_OF = date(2026, 10, 17)
QUARTER = ("quarter", date(2026, 7, 1))
YEAR = ("year", date(2026, 1, 1))


def of_period(rows: Rows, period: tuple[str, date], **fields: object) -> Rows:
    wanted = {"period_grain": period[0], "period_start": period[1], **fields}
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def quarter_of(day: date) -> date:
    return date(day.year, day.month - (day.month - 1) % 3, 1)


def names(marts: Marts) -> dict[str, str]:
    return {row["staff_id"]: row["full_name"] for row in marts("dim_staff")}


def on_time_rates_of_the_team(marts: Marts) -> Rows:
    projects = {
        (row["source_id"], quarter_of(row["event_date"])): row["numerator"]
        for row in marts("kpi_evidence")
        if row["kpi"] == "on_time_delivery_rate" and "NV003" in (row["staff_id"], *(row["team_path"] or ()))
    }
    quarters = sorted({quarter for _, quarter in projects})
    found = {quarter: [on_time for (_, each), on_time in projects.items() if each == quarter] for quarter in quarters}
    return [
        {"period_start": quarter, "numerator": sum(each), "denominator": len(each),
         "per_cent": round(100 * sum(each) / len(each), 1), "is_provisional": quarter == date(2026, 10, 1)}
        for quarter, each in found.items()
    ]  # fmt: skip


def late_projects(marts: Marts) -> Rows:
    projects = {row["project_id"]: row for row in marts("project_overview")}
    late = [
        projects[row["source_id"]]
        for row in of_period(marts("kpi_evidence"), YEAR, kpi="on_time_delivery_rate", numerator=0)
        if "NV003" in (row["staff_id"], *(row["team_path"] or ()))
    ]
    assert {row["state"] for row in late} >= {"delivered_late", "overdue"}
    days = [((row["done_date"] or AS_OF) - row["due_date"]).days for row in late]
    return [
        {"project": row["project_name"], "days_late": days}
        for row, days in sorted(zip(late, days, strict=True), key=lambda each: -each[1])
    ]


def proposals_of_the_quarter(marts: Marts) -> Rows:
    sent = [row for row in marts("proposal_overview") if quarter_of(row["sent_date"]) == QUARTER[1]]
    states = {
        state: [row["amount"] for row in sent if row["state"] == state] for state in {row["state"] for row in sent}
    }
    found = [{"state": state, "proposals": len(each), "amount": sum(each)} for state, each in states.items()]
    return sorted(found, key=lambda row: -row["amount"])


def clients_at_risk(marts: Marts) -> Rows:
    risky = [
        row
        for row in marts("client_overview")
        if row["is_active"]
        and (
            (row["renewal_due"] and row["renewal_due"] < AS_OF + timedelta(days=90))
            or row["projects_overdue"]
            or (row["last_survey_satisfaction"] or 100) < 50
        )
    ]
    columns = ("client_name", "manager_id", "projects_overdue", "open_proposals")
    return [
        {name: row[name] for name in columns} for row in sorted(risky, key=lambda row: row["renewal_due"] or date.max)
    ]


def most_improved(marts: Marts) -> Rows:
    kpis = {row["kpi"]: row for row in marts("dim_kpi") if row["unit"] == "ratio"}
    own = [row for row in marts("kpi_values") if row["scope"] == "own" and row["kpi"] in kpis]
    before = {(row["kpi"], row["staff_id"]): row["value"] for row in of_period(own, ("quarter", date(2026, 4, 1)))}
    found = []
    for row in of_period(own, QUARTER):
        earlier = before.get((row["kpi"], row["staff_id"]))
        if row["value"] is not None and earlier is not None:
            better = row["value"] - earlier if kpis[row["kpi"]]["better"] == "higher" else earlier - row["value"]
            found.append((-better, row["staff_id"], kpis[row["kpi"]]))
    found.sort(key=lambda each: (each[0], each[1], each[2]["number"]))
    assert {kpi["better"] for _, _, kpi in found} == {"higher", "lower"}
    return [
        {"full_name": names(marts)[staff_id], "label_vi": kpi["label_vi"], "improvement": -better}
        for better, staff_id, kpi in found[:10]
    ]


def revenue_by_client(marts: Marts) -> Rows:
    records = of_period(marts("kpi_evidence"), YEAR, kpi="client_revenue")
    clients = {row["client_id"]: row["client_name"] for row in records}
    found = [
        {"client_id": client, "client_name": name, "revenue": sum(row["numerator"] for row in own)}
        for client, name in clients.items()
        for own in [[row for row in records if row["client_id"] == client]]
    ]
    return sorted(found, key=lambda row: -row["revenue"])


def provisional_values(marts: Marts) -> Rows:
    found = Counter(
        (row["period_start"], row["period_grain"], row["period_end"])
        for row in marts("kpi_values")
        if row["period_end"] > AS_OF and row["value"] is not None
    )
    return [
        {"period_grain": grain, "period_start": start, "until": end, "values_that_will_move": count}
        for (start, grain, end), count in sorted(found.items())
    ]


def what_became_of_each_file(marts: Marts) -> Rows:
    rows = sorted(marts("load_ledger"), key=lambda row: -row["delivery"])
    assert {(row["file_name"], row["rows_read"], row["rows_quarantined"]) for row in rows} >= {
        ("contracts/spoiled.csv", 2, 2)
    }
    columns = ("file_name", "extract", "status", "rows_read", "rows_loaded")
    return [{name: row[name] for name in columns} for row in rows]


def ranking(marts: Marts) -> Rows:
    cards = of_period(marts("scorecards"), QUARTER, scope="own")
    cards.sort(key=lambda row: -(row["weighted_score"] if row["weighted_score"] is not None else -1))
    return [{"full_name": names(marts)[row["staff_id"]], "rating": row["rating"] or "not rated"} for row in cards]


def reasons_for_no_value(marts: Marts) -> Rows:
    found = Counter(
        (row["kpi"], row["null_reason"])
        for row in marts("kpi_values")
        if row["scope"] == "own" and row["period_grain"] == "month" and row["value"] is None
    )
    return [
        {"kpi": kpi, "null_reason": reason, "people_and_months": count}
        for (kpi, reason), count in sorted(found.items())
    ]


def median_days_late(marts: Marts) -> Rows:
    late: dict[date, dict[str, int]] = defaultdict(dict)
    for row in marts("kpi_evidence"):
        if row["kpi"] == "on_time_delivery_rate" and row["numerator"] == 0:
            until = row["done_date"] if row["state"] == "delivered_late" else AS_OF
            late[quarter_of(row["event_date"])][row["source_id"]] = (until - row["due_date"]).days
    return [
        {"period_start": quarter, "median_days_late": median(days.values()), "late_projects": len(days)}
        for quarter, days in sorted(late.items())
    ]


def two_months_below_target(marts: Marts) -> Rows:
    lines = {
        (row["staff_id"], row["kpi"], row["period_start"]): row
        for row in marts("scorecard_lines")
        if row["scope"] == "own" and row["period_grain"] == "month"
    }
    found = Counter(
        start
        for (staff_id, kpi, start), row in lines.items()
        for before in [lines.get((staff_id, kpi, (start - timedelta(days=1)).replace(day=1)))]
        if start < date(2026, 10, 1) and before and (row["attainment"] or 0) < 1 and (before["attainment"] or 0) < 1
        and None not in (row["attainment"], before["attainment"])
    )  # fmt: skip
    return [{"period_start": start} for start in sorted(found.elements(), reverse=True)[:20]]


ANSWERS: dict[str, Callable[[Marts], Rows]] = {
    "The on-time rate of a team, quarter by quarter, and how sure it is": on_time_rates_of_the_team,
    "Which projects of a team were late, by how many days": late_projects,
    "Lost or still open: the proposals of a quarter, and for how much": proposals_of_the_quarter,
    "Which clients are at risk": clients_at_risk,
    "Who improved most since the quarter before": most_improved,
    "Who is below target two months in a row": two_months_below_target,
    "Revenue by client, this year": revenue_by_client,
    "Which values are provisional": provisional_values,
    "What became of each file": what_became_of_each_file,
    "The ranking of a quarter, and who has no rating": ranking,
    "Why there is no value": reasons_for_no_value,
    "How late were the late ones": median_days_late,
}
# These have a test of their own below.
OF_THEIR_OWN = {
    "The nine projects behind the 82%",
    "What is held back, and what does it do to the figures",
    "What am I looking at",
}


def test_there_are_fifteen_questions_and_each_takes_at_most_five_lines() -> None:
    questions = {each.heading: each.code.strip().splitlines() for each in examples() if each.language == "sql"}
    assert questions.keys() == ANSWERS.keys() | OF_THEIR_OWN
    assert len(questions) == 15
    assert {heading for heading, lines in questions.items() if len(lines) > 5 or max(map(len, lines)) > 130} == set()


@pytest.mark.parametrize("heading", ANSWERS)
def test_an_answer_is_what_the_rows_give_in_plain_python(published_home: Path, heading: str) -> None:
    @cache
    def marts(name: str) -> Rows:
        return ask(published_home, f"from marts.{name}")

    expected, found = ANSWERS[heading](marts), answer(published_home, heading)
    assert expected
    columns = expected[0].keys()
    shown = [{name: row[name] for name in columns} for row in found]
    # Rows of one rank can come in any order.
    for row, wanted in zip(in_order(shown), in_order(expected), strict=True):
        for name in columns:
            value = pytest.approx(wanted[name]) if isinstance(wanted[name], float) else wanted[name]
            assert row[name] == value, (name, row, wanted)


def in_order(rows: Rows) -> Rows:
    return sorted(
        rows, key=lambda row: [str(round(each, 6)) if isinstance(each, float) else str(each) for each in row.values()]
    )


def test_the_publication_that_is_named_is_the_file_that_is_read(published_home: Path) -> None:
    (row,) = answer(published_home, "What am I looking at")
    assert (published_home / "published" / "current.duckdb").resolve().stem == f"kpi_{row['publication_id']}"
    assert (row["as_of"], row["reporting_currency"]) == (AS_OF, "VND")


def test_both_spoiled_rows_are_named_as_held_back(published_home: Path) -> None:
    held = answer(published_home, "What is held back, and what does it do to the figures")
    assert {row["reason"] for row in held} == {"unknown_reference", "bad_type"}
    assert sum(row["rows_held_back"] for row in held) == 2
