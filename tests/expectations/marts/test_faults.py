"""Each fault of the marts is found, blocks, and is the only thing reported; correct marts are not reported."""

from __future__ import annotations

import pytest

from amkpi.core.settings import Settings
from tests.changed_settings import changed
from tests.expectations.audits import audit, blocking, failed
from tests.expectations.conftest import Break
from tests.expectations.marts.faults import COMPANY_JANUARY, FAULTS, OWN_JANUARY

# The build takes 10 s, Great Expectations 6 s to import; then an audit takes 0.6 s.
pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("expectation", "observed", "statements"), FAULTS)
def test_a_fault_blocks_and_nothing_else_is_reported(
    broken: Break, settings: Settings, expectation: str, observed: str | None, statements: list[str]
) -> None:
    findings = audit(broken(*statements), settings)
    assert failed(findings) == blocking(findings) == {expectation}
    assert findings[expectation].unexpected_count > 0
    assert (observed or "") in findings[expectation].observed


def test_two_expectations_report_a_missing_revenue_record(broken: Break, settings: Settings) -> None:
    findings = audit(broken("delete from kpis.kpi_client_revenue where source_id = 'K3' and numerator < 0"), settings)
    assert (
        failed(findings) == blocking(findings) == {"revenue_is_what_the_records_say", "evidence_adds_up_to_the_values"}
    )


def test_revenue_may_differ_by_a_rounding_error(broken: Break, settings: Settings) -> None:
    warehouse = broken(
        f"update marts.kpi_values set value = value * (1 + 1e-10) where kpi = 'client_revenue' and {COMPANY_JANUARY}"
    )
    assert failed(audit(warehouse, settings)) == set()


def test_a_score_may_exceed_the_cap_by_a_rounding_error(broken: Break, settings: Settings) -> None:
    warehouse = broken(f"update marts.scorecards set weighted_score = 120.00000000000001 where {OWN_JANUARY}")
    assert failed(audit(warehouse, settings)) == set()


def test_cap_and_bands_come_from_the_settings(broken: Break, settings: Settings) -> None:
    bands = [band for band in settings.kpi.rating_bands if band.rating != "D"]
    findings = audit(broken(), changed(settings, attainment_cap=0.1, rating_bands=bands))
    assert blocking(findings) == {"scores_between_0_and_the_cap", "ratings_are_of_the_bands"}


def test_a_value_out_of_bounds_is_reported_with_the_keys_of_its_row(broken: Break, settings: Settings) -> None:
    finding = audit(broken(f"update marts.scorecards set rating = 'E' where {OWN_JANUARY}"), settings)[
        "ratings_are_of_the_bands"
    ]
    assert finding.rows == ("own A1 month 2026-01-01 E",)
