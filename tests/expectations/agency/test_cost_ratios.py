"""A cost ratio below 0 or above 3 is a warning that names the project; the bounds themselves are no warning."""

from __future__ import annotations

import pytest

from amkpi.core.settings import Settings
from tests.expectations.audits import audit
from tests.expectations.conftest import Break

pytestmark = pytest.mark.slow

RECORDS = """
    insert into kpis.kpi_cost_to_budget_ratio by name
    select * exclude (ratio) replace (
        'P' || ratio as source_id, ratio * 1000 as numerator, 1000 as denominator, date '{day}' as event_date
    )
    from (select * from kpis.kpi_cost_to_budget_ratio limit 1), unnest([-0.01, 0, 3, 3.01]) as given (ratio)
"""


def test_what_lies_outside_of_the_bounds_is_named(broken: Break, settings: Settings) -> None:
    finding = audit(broken(RECORDS.format(day="2026-03-15")), settings)["cost_ratios_are_plausible"]
    assert (finding.severity, finding.success, finding.unexpected_count) == ("warning", False, 2)
    assert [row.split(" ")[0] for row in sorted(finding.rows)] == ["P-0.01", "P3.01"]
    assert all(", delivered 2026-03-15, cost " in row for row in finding.rows)
    assert any(row.endswith(", cost 3,010 of 1,000 = 3.01") for row in finding.rows)


def test_a_project_of_long_ago_is_no_news(broken: Break, settings: Settings) -> None:
    finding = audit(broken(RECORDS.format(day="2024-03-15")), settings)["cost_ratios_are_plausible"]
    assert finding.success
