"""Each doubt sees its fault planted in the sample agency's extracts, and is silent on the agency as it is."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from amkpi.core.findings import Finding
from amkpi.core.home import Home
from amkpi.core.run import Run
from amkpi.core.settings import load_settings
from amkpi.expectations.context import Occasion
from amkpi.expectations.runner import audit_warehouse
from amkpi.pipeline import steps
from amkpi.sample_agency import write_sample
from tests.changed_settings import changed

# Two builds of the sample agency, 12 s each.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("sample agency")]

AS_OF = date(2026, 10, 17)
MOMENT = datetime(2026, 10, 17, 18, tzinfo=UTC)


@dataclass(frozen=True)
class Built:
    """A built home and what may be asked of its warehouse."""

    run: Run

    def audit(self, published: Path | None = None, **limits: Any) -> dict[str, Finding]:
        """Each finding by its expectation, under these settings."""
        settings = changed(self.run.settings, **limits)
        occasion = Occasion(AS_OF, MOMENT, published=published)
        found = audit_warehouse(self.run.home.warehouse, settings, occasion, lambda line: None)
        return {finding.expectation: finding for finding in found}

    def ask(self, sql: str) -> Any:
        """The one value that a query gives."""
        with duckdb.connect(str(self.run.home.warehouse), read_only=True) as connection:
            return connection.execute(sql).fetchall()[0][0]


def run_at(root: Path) -> Run:
    home = Home.at(root)
    home.make()
    return Run(home, load_settings(home, {"AMKPI_SETTLE_SECONDS": "0"}), AS_OF, now=lambda: MOMENT)


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The sample agency as `amkpi sample` writes it, published."""
    run = run_at(tmp_path_factory.mktemp("sample"))
    write_sample(run.home.landing, as_of=AS_OF)
    steps.load(run)
    steps.build(run)
    steps.audit(run)
    steps.publish(run)
    return Built(run)


@pytest.fixture(scope="session")
def faulty(sample: Built, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The same agency after one more load, with each fault in it."""
    run = run_at(tmp_path_factory.mktemp("faulty"))
    shutil.copytree(sample.run.home.root, run.home.root, dirs_exist_ok=True, symlinks=True)
    steps.load(run)  # what was left in LANDING: nothing
    projects = [
        f"ZZ-P{number},KH001,ZZ-G,Không giá {number},2026-09-01,2026-09-30,2026-09-{10 + number % 20},VND"
        for number in range(40)
    ]
    files = {
        "clients": [
            "client_id,client_name,updated_at",
            "ZZ1,BAN LE SONG CUC MOC J.S.C.,2026-10-16T08:00:00+07:00",
            "ZZ2,Mai Vàng Châu Thổ,2027-10-16T08:00:00+07:00",
            "ZZ3,Gió Lành,",
        ],
        "client_assignments": [
            "client_id,valid_from,account_manager_id,valid_to",
            "ZZ1,2026-01-01,ZZ-G,2026-10-16",
            "ZZ2,2026-01-01,ZZ-G,2026-10-17",
            "ZZ3,2026-01-01,ZZ-L,",
        ],
        "staff": [
            "staff_id,valid_from,full_name,role,is_active",
            "ZZ-G,2024-01-01,Giang Thị Giỏi,account_manager,true",
            "ZZ-D,2024-01-01,Đỗ Thị Vẽ,designer,true",
            "ZZ-L,2024-01-01,Lý Đã Đi,account_manager,true",
            "ZZ-L,2026-03-01,Lý Đã Đi,account_manager,false",
        ],
        "contracts": [
            "contract_id,client_id,owner_id,kind,signed_date,start_date,end_date,amount,currency",
            # By a designer; by somebody 92 days after they left, and 90 days after: that may still be theirs.
            "ZZ-K1,KH001,ZZ-D,upsell,2026-09-02,2026-09-05,2026-12-31,1000000,VND",
            "ZZ-K2,KH001,ZZ-L,upsell,2026-05-31,2026-06-01,2026-12-31,1000000,VND",
            "ZZ-K3,KH001,ZZ-L,upsell,2026-05-29,2026-06-01,2026-12-31,1000000,VND",
            # In a currency whose rate is 36 days old, and one day less.
            "ZZ-K4,KH001,ZZ-G,upsell,2026-08-06,2026-08-06,2026-12-31,1000,GBP",
            "ZZ-K5,KH001,ZZ-G,upsell,2026-08-05,2026-08-05,2026-12-31,1000,GBP",
            # Ten times the median of the four others, and a hair less.
            *(f"ZZ-A{n},ZZ2,ZZ-G,upsell,2026-01-0{n},2026-01-05,2026-01-31,{n}0,EUR" for n in (1, 2, 3, 4)),
            "ZZ-A5,ZZ2,ZZ-G,upsell,2026-09-01,2026-09-05,2026-09-30,250,EUR",
            *(f"ZZ-B{n},ZZ2,ZZ-G,upsell,2026-01-0{n},2026-01-05,2026-01-31,{n}0,JPY" for n in (1, 2, 3, 4)),
            "ZZ-B5,ZZ2,ZZ-G,upsell,2026-09-01,2026-09-05,2026-09-30,249,JPY",
            # Active clients: nobody manages the one any more, and the other's manager has left.
            "ZZ-M1,ZZ1,ZZ-G,new_business,2026-09-01,2026-09-01,2027-08-31,5000000,VND",
            "ZZ-M2,ZZ3,ZZ-G,new_business,2026-09-01,2026-09-01,2027-08-31,5000000,VND",
        ],
        "projects": [
            "project_id,client_id,owner_id,project_name,start_date,committed_due_date,delivered_date,currency",
            *projects,
        ],
        "fx_rates": ["currency,rate_date,rate", "GBP,2026-07-01,33000"],
    }
    for extract, lines in files.items():
        (run.home.landing / extract / "faults.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    later = replace(run, now=lambda: MOMENT)
    steps.load(later)
    steps.build(later)
    return Built(later)


@pytest.fixture(scope="session")
def findings(sample: Built, faulty: Built) -> dict[str, Finding]:
    """What the audit finds in the faulty agency, beside the publication of the sound one."""
    return faulty.audit(sample.run.home.current.resolve())


def test_the_sample_agency_is_met_in_silence(sample: Built) -> None:
    found = sample.audit(sample.run.home.current.resolve())
    assert {name: finding.observed for name, finding in found.items() if not finding.success} == {}
    # It was compared: the note of an empty comparison is not there.
    assert found["closed_periods_stand_still"].observed == "0 values"


def test_every_fault_is_a_warning_and_no_more_is_found(findings: dict[str, Finding]) -> None:
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
    # The sample's few are let pass by the limit, not overlooked.
    assert sample.audit(**{limit: 0.01})[expectation].unexpected_count > 10


# How many closed values are others in the publication of before, row by row.
MOVED = """
    select count(*) from marts.kpi_values as n full join before.marts.kpi_values as b
    on (n.kpi, n.scope, coalesce(n.staff_id, ''), n.period_grain, n.period_start)
    = (b.kpi, b.scope, coalesce(b.staff_id, ''), b.period_grain, b.period_start)
    where not coalesce(n.is_provisional, b.is_provisional) and n.value is distinct from b.value
"""


def moved(after: Built, before: Built) -> int:
    with duckdb.connect(str(after.run.home.warehouse), read_only=True) as connection:
        connection.execute(f"attach '{before.run.home.current.resolve()}' as before (read_only)")
        return int(connection.execute(MOVED).fetchall()[0][0])


def test_values_that_moved_are_listed_from_and_to(findings: dict[str, Finding], faulty: Built, sample: Built) -> None:
    finding = findings["closed_periods_stand_still"]
    month = "kpi = 'client_revenue' and scope = 'company' and period_grain = 'month' and period_start = '2026-09-01'"
    was, now = (each.ask(f"select value from marts.kpi_values where {month}") for each in (sample, faulty))
    assert finding.unexpected_count == moved(faulty, sample) > 20
    assert now > was
    assert any(row.startswith("client_r") and " → " in row for row in finding.rows)


def test_where_a_build_kept_rows_those_it_made_anew_are_compared(sample: Built, tmp_path: Path) -> None:
    run = run_at(tmp_path)
    shutil.copytree(sample.run.home.root, run.home.root, dirs_exist_ok=True, symlinks=True)
    (run.home.landing / "client_surveys" / "late.csv").write_text(
        "response_id,client_id,sent_date,responded_date,score,scale_min,scale_max\n"
        "ZZ,KH001,2026-03-02,2026-03-05,1,1,5\n",
        encoding="utf-8",
    )
    steps.load(run)
    steps.build(run)
    late = Built(run)
    changed = late.ask("select count(distinct period_id) from intermediate.int_changed_periods")
    assert 0 < changed < late.ask("select count(*) from intermediate.int_periods") / 2
    publication = sample.run.home.current.resolve()
    finding = late.audit(publication)["closed_periods_stand_still"]
    assert finding.unexpected_count == moved(late, sample) > 10
    # What lies in the warehouse of periods that it kept is not asked again; of another publication everything is.
    with duckdb.connect(str(run.home.warehouse)) as connection:
        connection.execute(
            "update intermediate.int_kpi_values set value = value + 1 where period_id not in"
            " (select period_id from intermediate.int_changed_periods) and kpi_number = 1"
        )
    assert late.audit(publication)["closed_periods_stand_still"] == finding
    other = tmp_path / "kpi_0123456789abcdef.duckdb"
    shutil.copy(publication, other)
    assert late.audit(other)["closed_periods_stand_still"].unexpected_count > finding.unexpected_count


def test_nothing_is_compared_with_a_publication_of_another_date(faulty: Built, sample: Built) -> None:
    occasion = Occasion(date(2026, 10, 18), MOMENT, published=sample.run.home.current.resolve())
    found = audit_warehouse(faulty.run.home.warehouse, faulty.run.settings, occasion, lambda line: None)
    assert [f.success for f in found if f.expectation == "closed_periods_stand_still"] == [True]


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


def test_a_record_whose_year_must_be_wrong_is_named(sample: Built) -> None:
    assert sample.audit()["records_are_of_this_age"].success
    finding = sample.audit(max_record_age_years=1)["records_are_of_this_age"]
    older = sample.ask(
        "select count(*) from (select distinct source_extract, source_id, event_date from marts.kpi_evidence"
        " where event_date < '2025-10-17' and kpi in ('client_revenue', 'on_time_delivery_rate',"
        " 'client_satisfaction', 'contract_win_rate', 'cost_to_budget_ratio'))"
    )
    assert finding.unexpected_count == older > 100
    assert all(row.rsplit(" of ", 1)[1] < "2025-10-17" for row in finding.rows)


def test_how_long_somebody_who_left_may_still_own_is_a_setting(faulty: Built) -> None:
    def owners(days: int) -> list[str]:
        rows = faulty.audit(owner_grace_days=days)["owners_are_account_staff"].rows
        return [row.split()[1] for row in rows if "ZZ-" in row]

    assert owners(92) == ["ZZ-K1"]
    assert owners(89) == ["ZZ-K1", "ZZ-K2", "ZZ-K3"]
