"""The values of the group equal an independent program's, which adds up the records of the agencies."""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import date
from fractions import Fraction
from typing import Any

import pytest

from tests.group.conftest import AS_OF, PUBLISHED, RATES, Group, files_of, rows_of
from tests.oracle.group import Member, group_values
from tests.oracle.oracle import compute

pytestmark = pytest.mark.slow
COMPARED = (
    "value", "numerator", "denominator", "sample_size", "null_reason", "undecided", "is_provisional", "period_end",
    "agencies_counted",
)  # fmt: skip


@pytest.fixture(scope="module")
def members() -> list[Member]:
    quoted = [line.split(",") for line in RATES.splitlines()[1:]]
    rates = [(date.fromisoformat(day), Fraction(rate)) for _, day, rate in quoted]
    return [
        Member(
            code,
            region,
            day,
            compute(files_of(code), day, variables={"reporting_currency": currency}),
            None if currency == "VND" else rates,
        )
        for code, region, currency, day, _ in PUBLISHED
    ]


def same(found: Any, expected: Any) -> bool:
    if isinstance(found, float) and isinstance(expected, float):
        return math.isclose(found, expected, rel_tol=1e-9)
    return bool(found == expected)


def test_the_values_are_those_of_an_independent_program(group: Group, members: list[Member]) -> None:
    expected = group_values(members)
    found = {
        (row["kpi"], row["level"], row["code"], row["period_grain"], row["period_start"]): row
        for row in group.rows("from group_kpi_values")
    }
    assert found.keys() == expected.keys()
    wrong = [
        (key, column, found[key][column], row[column])
        for key, row in expected.items()
        for column in COMPARED
        if not same(found[key][column], row[column])
    ]
    assert not wrong
    # The case has what it is for: both currencies in one sum, a cancellation, amounts that are converted at many rates.
    used = {row["rate"] for row in group.rows("from group_kpi_evidence where currency = 'USD'")}
    assert len(used) > 3
    assert group.rows(
        "from group_kpi_evidence where local_numerator < 0"
        " and date_trunc('month', rate_date) < date_trunc('month', event_date)"
    )
    assert {row["null_reason"] for row in found.values()} >= {"not_across_agencies", "nothing_delivered", None}


def test_the_row_of_an_agency_is_that_of_its_company_to_the_last_bit(group: Group) -> None:
    for code in ("hanoi", "boston"):
        local = group.rows(
            "select kpi, period_grain, period_start, local_value as value, local_numerator as numerator,"
            " local_denominator as denominator, sample_size, null_reason from group_kpi_values"
            f" where level = 'agency' and code = '{code}' order by all"
        )
        published = rows_of(
            group.root / code / "published" / "current.duckdb",
            "select kpi, period_grain, period_start, value, numerator, denominator, sample_size, null_reason"
            " from kpi_values where scope = 'company' order by all",
        )
        assert len(published) > 100
        assert local == published
    shown = group.rows(
        "from group_kpi_values where code = 'hanoi' and (value, numerator, denominator) is distinct from"
        " (local_value, local_numerator, local_denominator)"
    )
    assert not shown


def test_the_records_can_be_added_up_again(group: Group) -> None:
    sums: dict[Any, list[Fraction]] = defaultdict(lambda: [Fraction(0), Fraction(0)])
    for row in group.rows("from group_kpi_evidence"):
        found = sums[row["kpi"], row["period_grain"], row["period_start"]]
        found[0] += Fraction(row["numerator"])
        found[1] += Fraction(row["denominator"] or 0)
    rows = group.rows("from group_kpi_values where level = 'group' and kpi <> 'internal_collaboration_score'")
    assert len(rows) > 100
    for row in rows:
        numerator, denominator = sums[row["kpi"], row["period_grain"], row["period_start"]]
        assert same(row["numerator"], float(numerator)), row
        assert same(row["denominator"] or 0.0, float(denominator)), row


def test_scores_are_those_of_the_groups_targets_and_of_the_agencies_own(group: Group) -> None:
    lines = defaultdict(list)
    for row in group.rows("from group_scorecard_lines where period_grain = 'quarter' and target is not null"):
        lines[row["level"], row["code"], row["period_start"]].append(row)
    cards = group.rows("from group_scorecards where period_grain = 'quarter' and not is_provisional")
    of_group = [card for card in cards if card["level"] == "group"]
    assert of_group
    for card in of_group:
        found = {line["kpi"]: line for line in lines["group", None, card["period_start"]]}
        assert {kpi: (line["target"], line["weight"]) for kpi, line in found.items()} == {
            "client_revenue": (3_000_000.0, 40.0),
            "client_satisfaction": (0.8, 20.0),
            "cost_to_budget_ratio": (0.9, 10.0),
        }
        scored = [line for line in found.values() if line["attainment"] is not None]
        for line in scored:
            ratio = line["value"] / line["target"]
            expected = 2 - ratio if line["kpi"] == "cost_to_budget_ratio" else ratio
            assert math.isclose(line["attainment"], min(max(expected, 0), 1.2), abs_tol=1e-9)
        weights = sum(line["weight"] for line in scored)
        weighted = sum(line["weight"] * line["attainment"] for line in scored)
        assert math.isclose(card["weighted_score"], 100 * weighted / weights, rel_tol=1e-9)
        assert card["kpis_scored"] == len(scored)
    assert all(card["weighted_score"] is None for card in cards if card["code"] == "South")
    north = [line for place, found in lines.items() if place[:2] == ("region", "North") for line in found]
    assert {(line["kpi"], line["target"], line["weight"]) for line in north} == {("on_time_delivery_rate", 0.5, 10.0)}
    assert [card for card in cards if card["code"] == "North" and card["weighted_score"] is not None]
    # Hanoi counts with 17 days of October, a month that is not over on the date of the group.
    running = group.rows("from group_scorecard_lines where level = 'group' and period_grain = 'year' and target > 1")
    (target,) = (line["target"] for line in running if line["period_start"] == date(2026, 1, 1))
    assert math.isclose(target, 1_000_000 * (9 + 17 / 31), rel_tol=1e-9)
    own = group.rows("from group_scorecards where level = 'agency' and code = 'boston' and weighted_score is not null")
    assert own


def test_the_agencies_are_named_with_what_is_missing(group: Group) -> None:
    found = {row["agency"]: row for row in group.rows("from group_agencies")}
    assert [(name, row["as_of"], row["is_missing"], row["problem"]) for name, row in found.items()] == [
        ("hanoi", AS_OF, False, None),
        ("boston", date(2026, 9, 30), False, None),
        ("saigon", None, True, "nothing is published yet"),
    ]
    (publication,) = group.rows("from group_publication")
    assert publication["as_of"] == date(2026, 9, 30)
    assert (publication["agencies"], publication["agencies_missing"]) == (3, 1)
    assert group.report is not None
    assert [finding.expectation for finding in group.report.warnings] == [
        "every_agency_is_there",
        "every_agency_has_the_same_day",
    ]
