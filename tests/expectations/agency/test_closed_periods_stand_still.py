"""Values of periods that are over are compared with the last publication, whatever its date."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import duckdb
import pytest

from amkpi.core.findings import Finding
from amkpi.core.settings import Settings
from amkpi.expectations.context import AuditContext
from amkpi.expectations.runner import audit_warehouse
from amkpi.pipeline import steps
from tests.expectations.agency.conftest import MOMENT, Built, run_at
from tests.expectations.audits import AS_OF, LOADED_AT, audit, silent
from tests.expectations.conftest import Break
from tests.expectations.marts.faults import OWN_JANUARY

# Two builds of the sample agency, 12 s each.
pytestmark = pytest.mark.slow


# The number of closed values that differ from the earlier publication.
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


def test_changed_values_are_listed_with_old_and_new_value(
    findings: dict[str, Finding], faulty: Built, sample: Built
) -> None:
    finding = findings["closed_periods_stand_still"]
    month = "kpi = 'client_revenue' and scope = 'company' and period_grain = 'month' and period_start = '2026-09-01'"
    before, now = (each.ask(f"select value from marts.kpi_values where {month}") for each in (sample, faulty))
    assert finding.unexpected_count == moved(faulty, sample) > 20
    assert now > before
    assert any(row.startswith("client_r") and " → " in row for row in finding.rows)


def test_after_an_incremental_build_only_the_rebuilt_periods_are_compared(sample: Built, tmp_path: Path) -> None:
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
    # Periods that the build kept are not compared again, except with a publication that it is not based on.
    with duckdb.connect(str(run.home.warehouse)) as connection:
        connection.execute(
            "update intermediate.int_kpi_values set value = value + 1 where period_id not in"
            " (select period_id from intermediate.int_changed_periods) and kpi_number = 1"
        )
    assert late.audit(publication)["closed_periods_stand_still"] == finding
    other = tmp_path / "kpi_0123456789abcdef.duckdb"
    shutil.copy(publication, other)
    assert late.audit(other)["closed_periods_stand_still"].unexpected_count > finding.unexpected_count


def test_the_publication_of_the_night_before_is_compared(faulty: Built, sample: Built) -> None:
    context = AuditContext(date(2026, 10, 18), MOMENT, published=sample.run.home.current.resolve())
    found = audit_warehouse(faulty.run.home.warehouse, faulty.run.settings, context, silent)
    counts = [f.unexpected_count for f in found if f.expectation == "closed_periods_stand_still"]
    assert counts == [moved(faulty, sample)]


# Own values of January to March, each a million more now.
OWN_VALUES = """
    update internal.int_kpi_values set value = value - 1000000 where kpi_number = 1 and (subject_id, period_id) in (
        select subject_id, period_id from internal.int_scope_members
        where scope = 'own' and person_key = 'A1' and period_grain = 'month' and period_start >= '2026-01-01'
    )
"""


def before(folder: Path, warehouse: Path, as_of: date) -> Path:
    """A publication of that date in which `OWN_VALUES` were others; what was not over by then is provisional."""
    file = folder / "before.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute(f"attach '{warehouse}' as warehouse (read_only)")
        connection.execute("create schema marts")
        connection.execute("create schema internal")
        connection.execute(f"create table marts.publication as select date '{as_of}' as as_of")
        for table in ("int_scope_members", "int_kpi_catalogue", "int_period_months", "int_kpi_values"):
            connection.execute(f"create table internal.{table} as from warehouse.intermediate.{table}")
        connection.execute(
            "update internal.int_scope_members set is_provisional = true where period_id in"
            f" (select period_id from warehouse.intermediate.int_periods where period_end > '{as_of}')"
        )
        connection.execute(OWN_VALUES)
    return file


def test_what_was_over_on_an_earlier_date_is_compared_and_what_ran_then_is_not(
    broken: Break, settings: Settings, tmp_path: Path
) -> None:
    warehouse = broken()
    context = AuditContext(AS_OF, LOADED_AT, published=before(tmp_path, warehouse, date(2026, 2, 10)))
    finding = audit(warehouse, settings, context)["closed_periods_stand_still"]
    assert (finding.severity, finding.success) == ("warning", False)
    assert finding.rows == ("client_revenue own A1 month 2026-01-01, 126500000.0 → 127500000.0",)


def test_what_is_closed_is_not_compared(broken: Break, settings: Settings, tmp_path: Path) -> None:
    warehouse = broken("insert into closing.periods values (1, 'month', '2026-01-01', '2026-01-31', '2026-02-01')")
    context = AuditContext(AS_OF, LOADED_AT, published=before(tmp_path, warehouse, date(2026, 3, 19)))
    finding = audit(warehouse, settings, context)["closed_periods_stand_still"]
    assert [row.split(",")[0] for row in finding.rows] == ["client_revenue own A1 month 2026-02-01"]


def test_the_change_of_a_collaboration_score_is_not_shown(broken: Break, settings: Settings, tmp_path: Path) -> None:
    # The old mean, the new mean and the number of raters would reveal what the last rater said.
    warehouse = broken()
    before = tmp_path / "it's before.duckdb"
    january = OWN_JANUARY.replace("staff_id", "person_key")
    with duckdb.connect(str(before)) as connection:
        connection.execute(f"attach '{warehouse}' as warehouse (read_only)")
        connection.execute("create schema marts")
        connection.execute("create schema internal")
        connection.execute(f"create table marts.publication as select date '{AS_OF}' as as_of")
        for table in ("int_scope_members", "int_kpi_catalogue", "int_period_months", "int_kpi_values"):
            connection.execute(f"create table internal.{table} as from warehouse.intermediate.{table}")
        connection.execute(
            "update internal.int_kpi_values set value = value - 1 where (subject_id, period_id) in"
            f" (select subject_id, period_id from internal.int_scope_members where {january}) and kpi_number in"
            " (select kpi_number from internal.int_kpi_catalogue where kpi in"
            " ('client_revenue', 'internal_collaboration_score'))"
        )
    finding = audit(warehouse, settings, AuditContext(AS_OF, LOADED_AT, published=before))["closed_periods_stand_still"]
    assert finding.rows == (
        "client_revenue own A1 month 2026-01-01, 127499999.0 → 127500000.0",
        "internal_collaboration_score own A1 month 2026-01-01",
    )
