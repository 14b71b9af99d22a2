"""Questions in Vietnamese and English: the right call runs, and its answer is what the marts have."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from amkpi.core.catalogue import YAML_LOADER, kpi_named, kpis
from amkpi.core.run import Run
from tests.interfaces.mcp.question_templates import FILE, MISSING, PEOPLE, text

QUESTIONS: list[dict[str, Any]] = yaml.load(FILE.read_text(encoding="utf-8"), Loader=YAML_LOADER)


@pytest.fixture(scope="module")
def marts(published_home: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    file = (published_home / "published" / "current.duckdb").resolve()
    with duckdb.connect(str(file), read_only=True) as connection:
        connection.execute("use marts")
        yield connection


@cache
def server(home: Path, asked_as: str) -> Any:
    # mcp takes 2 s to import: not where the tests are only collected.
    from amkpi.interfaces.mcp.server import make_server

    return make_server(Run.prepare(home, None, "2026-10-17"), asked_as)


def ask(home: Path, question: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """The structured answer, or None and the text of the error."""
    from mcp import Client

    async def call() -> Any:
        async with Client(server(home, question["as"])) as client:
            return await client.call_tool(question["tool"], question["arguments"])

    result = asyncio.run(call())
    if result.is_error:
        return None, result.content[0].text
    return result.structured_content, ""


def rows(marts: duckdb.DuckDBPyConnection, sql: str, means: dict[str, Any]) -> list[tuple[Any, ...]]:
    given = {name: value for name, value in means.items() if f"${name}" in sql}
    return marts.execute(sql, given).fetchall()


def test_the_file_is_what_the_templates_give() -> None:
    assert FILE.read_text(encoding="utf-8") == text()


def test_there_are_200_different_questions_that_cover_everything() -> None:
    assert len(QUESTIONS) >= 200
    assert not [each for each, count in Counter(q["question"] for q in QUESTIONS).items() if count > 1]
    calls = Counter(str((q["as"], q["tool"], q["arguments"])) for q in QUESTIONS)
    assert not [each for each, count in calls.items() if count > 1]
    assert min(Counter(q["language"] for q in QUESTIONS).values()) >= 80
    meant = [q["means"] for q in QUESTIONS if q.get("means")]
    assert {m["kpi"] for m in meant} >= {kpi.name for kpi in kpis()}
    assert {m["grain"] for m in meant} == {"month", "quarter", "year", "trailing_12m"}
    assert {m["scope"] for m in meant} == {"own", "team", "company"}
    assert len({q["tool"] for q in QUESTIONS}) == 7
    reasons = {(kpi.name, reason) for kpi in kpis() for reason in kpi.null_reasons}
    assert set(MISSING) == reasons
    states = {(q["means"]["kpi"], q["state"]) for q in QUESTIONS if "state" in q}
    assert states == {(kpi.name, state) for kpi in kpis() for state in kpi.states}


@pytest.mark.slow
@pytest.mark.xdist_group("analysts")
@pytest.mark.parametrize("question", QUESTIONS, ids=lambda q: q["question"])
def test_a_question_is_answered_from_the_marts(
    published_home: Path, marts: duckdb.DuckDBPyConnection, question: dict[str, Any]
) -> None:
    answer, error = ask(published_home, question)
    if "error" in question:
        assert answer is None
        assert question["error"] in error
        return
    assert answer is not None, error
    identity, as_of = marts.execute("select publication_id, as_of from publication").fetchall()[0]
    assert (answer["publication_id"], answer["as_of"], answer["asked_as"]) == (identity, str(as_of), question["as"])
    CHECKS[question["tool"]](marts, question, answer)


def _check_value(marts: duckdb.DuckDBPyConnection, question: dict[str, Any], answer: dict[str, Any]) -> None:
    means, kpi = question["means"], kpi_named(question["means"]["kpi"])
    (row,) = rows(
        marts,
        """
        select v.value, v.sample_size, v.null_reason, v.numerator, v.denominator, l.target, l.change, v.is_provisional
        from kpi_values as v
        join scorecard_lines as l on v.kpi = l.kpi and v.scope = l.scope and v.staff_id is not distinct from l.staff_id
            and v.period_grain = l.period_grain and v.period_start = l.period_start
        where v.kpi = $kpi and v.scope = $scope and v.staff_id is not distinct from $staff_id
            and v.period_grain = $grain and v.period_start = $start
        """,
        means,
    )
    value, n, reason, numerator, denominator, target, change, provisional = row
    wanted_parts = (None, None) if kpi.private else (numerator, denominator)
    assert (answer["value"], answer["n"], answer["target"], answer["change"]) == (value, n, target, change)
    assert (answer["numerator"], answer["denominator"]) == wanted_parts
    assert answer["is_provisional"] is provisional
    assert answer["null_reason"] == (kpi.null_reasons[reason][question["language"]] if reason else None)
    assert reason == question.get("null_reason", reason)
    assert (answer["subject"]["kpi"], answer["subject"]["scope"], answer["subject"]["staff_id"]) == (
        means["kpi"], means["scope"], means["staff_id"],
    )  # fmt: skip
    assert kpi.label[question["language"]] in answer["sentence"]
    if question["tool"] == "explain":
        counted = _evidence(marts, means)
        assert answer["counted"] == (0 if kpi.private else len(counted))
        assert answer["formula"] == kpi.formula[question["language"]]
        assert (answer["formula_with_numbers"] is None) == (kpi.private or value is None)


def _evidence(marts: duckdb.DuckDBPyConnection, means: dict[str, Any]) -> list[tuple[Any, ...]]:
    return rows(
        marts,
        """
        select source_id, state, numerator from kpi_evidence
        where kpi = $kpi and period_grain = $grain and period_start = $start
            and ($scope = 'company' or staff_id = $staff_id
                or ($scope = 'team' and list_contains(team_path, $staff_id)))
        """,
        means,
    )


def _check_records(marts: duckdb.DuckDBPyConnection, question: dict[str, Any], answer: dict[str, Any]) -> None:
    wanted = [row for row in _evidence(marts, question["means"]) if row[1] == question.get("state", row[1])]
    found = [(each["source_id"], each["state"], each["numerator"]) for each in answer["records"]]
    assert Counter(found) == Counter(wanted)
    assert (answer["total"], answer["not_shown"]) == (len(wanted), 0)


def _check_comparison(marts: duckdb.DuckDBPyConnection, question: dict[str, Any], answer: dict[str, Any]) -> None:
    means, kpi = question["means"], kpi_named(question["means"]["kpi"])
    sql = (
        "select staff_id, value, sample_size from kpi_values"
        " where kpi = $kpi and scope = $scope and period_grain = $grain and period_start = $start"
    )
    below = set(PEOPLE) - {"NV002"} if question["as"] == "NV003" else {*PEOPLE, "NV001"}
    if question["as"] == "NV002":
        below -= {"NV001"}
    wanted = {staff_id: (value, n) for staff_id, value, n in rows(marts, sql, means) if staff_id in below}
    assert {row["staff_id"]: (row["value"], row["n"]) for row in answer["rows"]} == wanted
    assert answer["n"] == len(wanted)
    assert all((row["value"] is None) == (row["null_reason"] is not None) for row in answer["rows"])
    by = "value"
    if "other" in question:
        by = "change"
        before = {row[0]: row[1] for row in rows(marts, sql, {**means, "start": question["other"]})}
        for row in answer["rows"]:
            other = before.get(row["staff_id"])
            assert row["other_value"] == other
            assert row["change"] == (None if None in (row["value"], other) else row["value"] - other)
    order = [row[by] for row in answer["rows"] if row[by] is not None]
    assert order == sorted(order, reverse=kpi.better == "higher")


def _check_changes(marts: duckdb.DuckDBPyConnection, question: dict[str, Any], answer: dict[str, Any]) -> None:
    of = (
        " where scope = $scope and staff_id is not distinct from $staff_id and period_grain = $grain and period_start ="
        " $start"
    )
    wanted = rows(marts, "select kpi, value, previous_value, change from scorecard_lines" + of, question["means"])
    found = [(each["kpi"], each["value"], each["previous_value"], each["change"]) for each in answer["kpis"]]
    assert len(found) == len(kpis())
    assert sorted(found) == sorted(wanted)
    ((score, rating),) = rows(marts, "select weighted_score, rating from scorecards" + of, question["means"])
    assert (answer["score"], answer["rating"]) == ((score, rating) if rating else (None, None))
    assert answer["restated"] == []


def _check_catalogue(marts: duckdb.DuckDBPyConnection, question: dict[str, Any], answer: dict[str, Any]) -> None:
    assert [each["name"] for each in answer["kpis"]] == [kpi.name for kpi in kpis()]
    assert [(each["grain"], each["first"], each["last"]) for each in answer["periods"]] == [
        ("month", "2025-04", "2026-10"), ("quarter", "2025-Q2", "2026-Q4"), ("year", "2025", "2026"),
        ("trailing_12m", "t12m:2025-04", "t12m:2026-10"),
    ]  # fmt: skip
    is_analyst = question["as"] == "analyst"
    assert (answer["may_read_company"], answer["may_use_query"]) == (is_analyst, is_analyst)
    assert is_analyst or answer["people"] == [f"{question['as']}: {PEOPLE[question['as']]}"]


def _check_query(marts: duckdb.DuckDBPyConnection, question: dict[str, Any], answer: dict[str, Any]) -> None:
    wanted = marts.execute(question["sql"]).fetchall()
    assert answer["rows"] == [[str(cell) if isinstance(cell, date) else cell for cell in row] for row in wanted]
    assert (answer["n"], answer["has_more"]) == (len(wanted), False)


CHECKS = {
    "get_value": _check_value, "explain": _check_value, "records": _check_records, "compare": _check_comparison,
    "what_changed": _check_changes, "list_kpis": _check_catalogue, "query": _check_query,
}  # fmt: skip
