"""Every number on every page is the number of the marts, and no other number is there."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from amkpi.access.reader import Reader, reader_of
from amkpi.core.catalogue import kpis, measures
from amkpi.core.language.periods import Period
from amkpi.core.settings import Settings
from amkpi.pages.site import Site
from amkpi.scorecards.facts import ScopeMember
from amkpi.scorecards.page_paths import PagePath, key_of, parse
from tests.pages.conftest import ANALYST
from tests.pages.reading import Document, Marts, Seen, read, shown

pytestmark = pytest.mark.slow

OF_MEMBER = ("scope", "staff_id", "period_grain", "period_start")
OF_KPI = ("kpi", *OF_MEMBER)
# Rounded so that a figure below an edge does not look as if it reached it: less exact by up to a whole last place.
ROUNDED_TO_AN_EDGE = {
    "scorecard_lines.attainment", "scorecards.weight_covered", "scorecards.weighted_score", "scorecards.loss",
}  # fmt: skip
# The key of each mart about records.
KEYS = {
    "client_overview": "client_id", "contract_overview": "contract_id", "project_overview": "project_id",
    "proposal_overview": "proposal_id", "survey_overview": "response_id",
}  # fmt: skip


@pytest.fixture(scope="module")
def analyst(site: Site, settings: Settings) -> Reader:
    """Somebody who reads every page."""
    found = reader_of(site.names, ANALYST, settings)
    assert found is not None
    return replace(found, **all_rights(site))


def all_rights(site: Site) -> dict[str, object]:
    everybody = frozenset(site.names.people)
    return {"people": everybody, "teams": everybody, "named": everybody, "company": True, "data": True}


def pages(site: Site, reader: Reader, every: int) -> Iterator[tuple[str, Document]]:
    """Every so many pages with a period, and all others."""
    for number, path in enumerate(site.paths(reader)):
        if path.endswith(".html") and path != "index.html" and (number % every == 0 or path.count("/") < 2):
            answer = site.page(reader, path)
            assert answer is not None, path
            yield path, read(answer.body)


def expected(seen: Seen, path: str, marts: Marts) -> float | None:
    """The number of the marts that a figure is of; NaN where only a set of numbers can be asked for."""
    table, _, column = seen.of.partition(".")
    subject = {"staff": "", "day": "", **seen.subject}
    member = tuple(subject.get(name, "") for name in ("scope", "staff", "grain", "start"))
    if seen.of == "scorecards.change":
        now, before = (_score(marts, member, back) for back in (0, 1))
        return None if now is None or before is None else abs(now - before)
    if seen.of in ("scorecards.loss", "scorecards.points", "scorecards.weights"):
        by = marts.by("scorecard_lines", *OF_KPI)
        lines = [by[(kpi.name, *member)] for kpi in kpis() if by[(kpi.name, *member)]["attainment"] is not None]
        weights = math.fsum(row["weight"] for row in lines)
        if seen.of == "scorecards.weights":
            return weights
        (line,) = [row for row in lines if row["kpi"] == subject["kpi"]]
        share = line["attainment"] if seen.of == "scorecards.points" else max(0.0, 1 - line["attainment"])
        return float(100 * line["weight"] * share / weights)
    if table == "supporting_measures":
        found: float | None = marts.by(table, "measure", *OF_MEMBER)[(subject["detail"], *member)][column]
        return found
    if table == "scorecards":
        row = marts.by(table, *OF_MEMBER)[member]
        number: float | None = row[column]
        # A score that is not rated is not shown.
        return None if column == "weighted_score" and row["rating"] is None else number
    if table in ("kpi_values", "scorecard_lines"):
        number = marts.by(table, *OF_KPI)[(subject["kpi"], *member)][column]
        return number if number is None or column != "change" else abs(number)
    if table == "kpi_evidence" and subject.get("record"):
        key = (subject["kpi"], subject["grain"], subject["start"], subject["record"], subject["day"])
        rows = marts.by(table, "kpi", "period_grain", "period_start", "source_id", "event_date")
        return float(rows[key][column])
    if table in KEYS:
        by = marts.by(table, KEYS[table])
        if subject.get("record"):
            number = by[(subject["record"],)][column]
            return number
        wanted = parse(path)
        assert wanted is not None
        (row,) = [row for key, row in by.items() if key_of(key[0]) == wanted.key]
        number = row[column]
        return number
    return math.nan


def _score(marts: Marts, member: tuple[str, ...], back: int) -> float | None:
    scope, staff, grain, start = member
    period = Period.starting(grain, date.fromisoformat(start)).before(back)
    found = marts.by("scorecards", *OF_MEMBER).get((scope, staff, grain, str(period.start)))
    return found["weighted_score"] if found and found["rating"] is not None else None


def check(path: str, document: Document, marts: Marts) -> Counter[str]:
    """Compare each figure with the marts and with its own text; count them by column."""
    counted: Counter[str] = Counter()
    language = path[:2]
    for seen in document.figures:
        counted[seen.of] += 1
        number = expected(seen, path, marts)
        if number is None:
            assert seen.raw == "", (path, seen)
        elif not math.isnan(number):
            given = abs(float(seen.raw)) if seen.of.endswith(".change") else float(seen.raw)
            assert math.isclose(given, number, rel_tol=1e-12, abs_tol=1e-9), (path, seen, number)
        if seen.number is None:
            assert not re.search(r"\d", seen.text), (path, seen)
            continue
        figure, half = shown(seen.text, language)
        most = float(half) * (2 if seen.of in ROUNDED_TO_AN_EDGE else 1)
        assert abs(float(figure) - seen.number) <= most * 1.000001 + 1e-9, (path, seen, figure)
    return counted


def test_every_figure_of_some_pages_is_the_number_of_the_marts(site: Site, analyst: Reader, marts: Marts) -> None:
    counted: Counter[str] = Counter()
    for path in ("vi/overview/2026-09.html", "vi/kpi/contract_win_rate/company/all/2026-09.html", "en/clients.html"):
        answer = site.page(analyst, path)
        assert answer is not None, path
        counted += check(path, read(answer.body), marts)
    for of in ("kpi_values.value", "scorecard_lines.target", "scorecards.weighted_score", "kpi_evidence.numerator",
               "client_overview.revenue_12m", "kpi_values.wilson_low", "supporting_measures.value",
               "scorecards.points"):  # fmt: skip
        assert counted[of] > 0, of


def test_every_figure_of_every_third_page_is_the_number_of_the_marts_and_no_other_number_is_there(
    site: Site, analyst: Reader, marts: Marts
) -> None:
    counted: Counter[str] = Counter()
    for path, document in pages(site, analyst, every=3):
        counted += check(path, document, marts)
        assert document.loose == [], path
    assert counted.total() > 3_000


def test_the_points_of_the_kpis_add_up_to_the_score(site: Site, analyst: Reader, marts: Marts) -> None:
    seen = 0
    for path, row in scored_pages(marts):
        answer = site.page(analyst, path)
        assert answer is not None, path
        figures = [each for each in read(answer.body).figures if each.of == "scorecards.points"]
        assert math.isclose(math.fsum(each.number or 0.0 for each in figures), row["weighted_score"], abs_tol=1e-9)
        # What a reader adds up by hand.
        by_hand = sum(shown(each.text, "en")[0] for each in figures)
        assert abs(float(by_hand) - row["weighted_score"]) < 0.05
        seen += len(figures)
    assert seen > 10


def scored_pages(marts: Marts) -> Iterator[tuple[str, dict[str, Any]]]:
    """The page of each rated scorecard of one month, and its row."""
    month = Period.starting("month", date(2026, 9, 1))
    for row in marts.rows(
        "from scorecards where period_grain = 'month' and period_start = ? and rating is not null", month.start
    ):
        yield str(PagePath.of_member("en", ScopeMember(row["scope"], row["staff_id"]), month)), row


def test_every_supporting_measure_is_on_the_page_of_its_kpi(site: Site, analyst: Reader) -> None:
    month, company = Period.starting("month", date(2026, 9, 1)), ScopeMember("company", None)
    found = set()
    for kpi in kpis():
        answer = site.page(analyst, str(PagePath.of_kpi("vi", kpi.name, company, month)))
        assert answer is not None
        figures = read(answer.body).figures
        found |= {each.subject["detail"] for each in figures if each.of == "supporting_measures.value"}
    assert found == {measure.name for measure in measures()}


def test_the_overview_has_no_number_that_is_not_marked(site: Site, analyst: Reader) -> None:
    for path in ("vi/overview/2026-09.html", "en/overview/2026-09.html"):
        answer = site.page(analyst, path)
        assert answer is not None
        assert read(answer.body).loose == []


def test_the_text_of_a_chart_has_the_figures_of_its_marks(site: Site, analyst: Reader) -> None:
    answer = site.page(analyst, "vi/overview/2026-09.html")
    assert answer is not None
    document = read(answer.body)
    (rest,) = [each.text for each in document.all("desc") if each.attributes["id"] == "chart-text"]
    marks = [each.text for each in document.all("text") if "data-value" in each.attributes]
    assert marks
    for mark in marks:
        _, found, rest = rest.partition(mark)
        assert found, mark


def test_the_sql_of_a_kpi_gives_the_records_of_its_value(site: Site, analyst: Reader, marts: Marts) -> None:
    quarter, seen = Period.starting("quarter", date(2026, 7, 1)), dict.fromkeys(("own", "team", "company"), 0)
    rows = marts.rows(
        "from kpi_values where period_grain = 'quarter' and period_start = ? and sample_size > 0"
        " and kpi in ('on_time_delivery_rate', 'contract_win_rate', 'client_satisfaction')", quarter.start
    )  # fmt: skip
    for row in rows:
        member = ScopeMember(row["scope"], row["staff_id"])
        answer = site.page(analyst, str(PagePath.of_kpi("en", row["kpi"], member, quarter)))
        assert answer is not None
        (sql,) = [each.text for each in read(answer.body).all("code") if each.text.startswith("select")]
        assert len(marts.rows(sql)) == row["sample_size"], sql
        seen[row["scope"]] += 1
    assert all(seen.values()), seen


def test_the_csv_of_a_kpi_adds_up_to_its_value(site: Site, analyst: Reader, marts: Marts) -> None:
    import csv
    import io

    found = 0
    for path in site.paths(analyst):
        if not path.endswith(".csv") or not path.startswith("en/") or "2026-09" not in path or "collaboration" in path:
            continue
        wanted, answer = parse(path), site.page(analyst, path)
        assert wanted is not None
        assert answer is not None
        rows = list(csv.DictReader(io.StringIO(answer.body.decode("utf-8-sig"))))
        total = math.fsum(float(row["numerator"]) for row in rows)
        (value,) = [
            row["numerator"]
            for key, row in marts.by("kpi_values", *OF_KPI).items()
            if key[0] == wanted.kpi and key[1] == wanted.scope and (key[2] == "" or key_of(key[2]) == wanted.key)
            and key[3] == wanted.period.grain and key[4] == str(wanted.period.start)  # type: ignore[union-attr]
        ]  # fmt: skip
        assert math.isclose(total, value, rel_tol=1e-9, abs_tol=1e-6), path
        found += len(rows)
    assert found > 20
