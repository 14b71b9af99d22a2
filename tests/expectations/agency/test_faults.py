"""Each fault in the data of the sample agency is found; without faults nothing is reported."""

from __future__ import annotations

from typing import Any

import pytest

from amkpi.core.findings import Finding
from tests.expectations.agency.conftest import Built

# Two builds of the sample agency, 12 s each.
pytestmark = pytest.mark.slow


def test_the_sample_agency_has_no_failure(sample: Built) -> None:
    found = sample.audit(sample.run.home.current.resolve())
    assert {name: finding.observed for name, finding in found.items() if not finding.success} == {}
    # A comparison took place: without one the text says so.
    assert found["closed_periods_stand_still"].observed == "0 values"


def test_every_fault_is_a_warning_and_nothing_else_is_found(findings: dict[str, Finding]) -> None:
    assert {name: f.severity for name, f in findings.items() if not f.success} == dict.fromkeys(
        [
            "no_clock_is_ahead",
            "no_two_clients_share_a_name",
            "owners_are_account_staff",
            "every_active_client_has_a_manager",
            "delivered_projects_have_a_budget",
            "delivered_projects_have_costs",
            "rates_are_recent_when_used",
            "amounts_are_like_the_clients_usual",
            "closed_periods_stand_still",
            "closed_scorecards_stand_still",
        ],
        "warning",
    )


@pytest.mark.parametrize(
    ("expectation", "rows"),
    [
        ("no_clock_is_ahead", ("clients/faults.csv line 3 as clients, updated_at 2027-10-16T08:00:00+07:00",)),
        (
            "no_two_clients_share_a_name",
            ("KH014 Công ty Cổ phần Bán lẻ Sóng Cúc Mốc = ZZ1 BAN LE SONG CUC MOC J.S.C.",),
        ),
        (
            "owners_are_account_staff",
            (
                "contracts ZZ-K1 of 2026-09-02, ZZ-D Đỗ Thị Vẽ is designer",
                "contracts ZZ-K2 of 2026-05-31, ZZ-L Lý Đã Đi is account_manager, inactive",
            ),
        ),
        (
            "every_active_client_has_a_manager",
            (
                "ZZ1 BAN LE SONG CUC MOC J.S.C., nobody",
                "ZZ3 Gió Lành, ZZ-L Lý Đã Đi is no active account staff",
            ),
        ),
        ("rates_are_recent_when_used", ("contracts ZZ-K4 of 2026-08-06, GBP of 2026-07-01",)),
        (
            "amounts_are_like_the_clients_usual",
            ("ZZ-A5 of ZZ2 Mai Vàng Châu Thổ, signed 2026-09-01, 250 EUR, usually 25",),
        ),
    ],
)
def test_a_fault_is_found_with_its_rows(findings: dict[str, Finding], expectation: str, rows: tuple[str, ...]) -> None:
    assert findings[expectation].rows == rows


@pytest.mark.parametrize("expectation", ["delivered_projects_have_a_budget", "delivered_projects_have_costs"])
def test_projects_are_named_when_too_great_a_share_lacks_something(
    faulty: Built, sample: Built, findings: dict[str, Finding], expectation: str
) -> None:
    finding = findings[expectation]
    assert finding.unexpected_count > 40
    assert len(finding.rows) == 20
    limit = {"delivered_projects_have_a_budget": "max_share_without_budget"}.get(expectation, "max_share_without_cost")
    assert faulty.audit(**{limit: 0.2})[expectation].success
    # The sample has a few such projects too; the limit accepts them.
    assert sample.audit(**{limit: 0.01})[expectation].unexpected_count > 10


@pytest.mark.parametrize(
    ("expectation", "limits"),
    [
        ("rates_are_recent_when_used", {"max_rate_age_days": 36}),
        ("rates_are_recent_when_used", {"audit_days": 30}),
        ("amounts_are_like_the_clients_usual", {"amount_factor": 10.1}),
        ("amounts_are_like_the_clients_usual", {"amount_min_others": 5}),
        ("amounts_are_like_the_clients_usual", {"audit_days": 30}),
    ],
)
def test_each_limit_is_a_setting(faulty: Built, expectation: str, limits: dict[str, Any]) -> None:
    assert faulty.audit(**limits)[expectation].success


def test_a_record_with_an_impossible_year_is_named(sample: Built) -> None:
    assert sample.audit()["records_are_of_this_age"].success
    finding = sample.audit(max_record_age_years=1)["records_are_of_this_age"]
    older = sample.ask(
        "select count(*) from (select distinct source_extract, source_id, event_date from marts.kpi_evidence"
        " where event_date < '2025-10-17' and kpi in ('client_revenue', 'on_time_delivery_rate',"
        " 'client_satisfaction', 'contract_win_rate', 'cost_to_budget_ratio'))"
    )
    assert finding.unexpected_count == older > 100
    assert all(row.rsplit(" of ", 1)[1] < "2025-10-17" for row in finding.rows)


def test_how_long_somebody_who_left_may_own_records_is_a_setting(faulty: Built) -> None:
    def owners(days: int) -> list[str]:
        rows = faulty.audit(owner_grace_days=days)["owners_are_account_staff"].rows
        return [row.split()[1] for row in rows if "ZZ-" in row]

    assert owners(92) == ["ZZ-K1"]
    assert owners(89) == ["ZZ-K1", "ZZ-K2", "ZZ-K3"]
