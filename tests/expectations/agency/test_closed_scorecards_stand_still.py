"""Targets, weights, attainments, scores and ratings of periods that are over are compared with the last publication."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from amkpi.core.findings import Finding
from amkpi.core.settings import Settings
from amkpi.expectations.context import AuditContext
from tests.expectations.audits import AS_OF, LOADED_AT, audit
from tests.expectations.conftest import Break

pytestmark = pytest.mark.slow

JANUARY = "scope = 'own' and staff_id = 'A1' and period_grain = 'month' and period_start = '2026-01-01'"
NAME = "closed_scorecards_stand_still"


def compared(warehouse: Path, settings: Settings, folder: Path, *changes: str) -> Finding:
    """The finding after these changes of the publication before."""
    file = folder / "before.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute(f"attach '{warehouse}' as warehouse (read_only)")
        connection.execute("use warehouse")
        connection.execute("create schema before.marts")
        for mart in ("scorecards", "scorecard_lines", "publication"):
            connection.execute(f"create table before.marts.{mart} as from warehouse.marts.{mart}")
        connection.execute("use before")
        for change in changes:
            connection.execute(change)
    return audit(warehouse, settings, AuditContext(AS_OF, LOADED_AT, published=file))[NAME]


def test_what_is_the_same_is_no_finding(broken: Break, settings: Settings, tmp_path: Path) -> None:
    finding = compared(broken(), settings, tmp_path)
    assert (finding.success, finding.observed) == (True, "0 lines and scorecards")


def test_each_changed_figure_is_named_with_old_and_new(broken: Break, settings: Settings, tmp_path: Path) -> None:
    finding = compared(
        broken(), settings, tmp_path,
        f"update marts.scorecard_lines set target = 7, weight = null, attainment = 0.5"
        f" where kpi = 'client_revenue' and {JANUARY}",
        f"update marts.scorecards set weighted_score = 12.5, rating = 'Z' where {JANUARY}",
    )  # fmt: skip
    assert (finding.severity, finding.success, finding.unexpected_count) == ("warning", False, 2)
    line, score = sorted(finding.rows)
    assert line.startswith("client_revenue own A1 month 2026-01-01: target 7.0 → ")
    assert ", weight nothing → " in line
    assert ", attainment 0.5 → " in line
    assert score.startswith("scorecard own A1 month 2026-01-01: score 12.5 → ")
    assert ", rating Z → " in score


def test_a_scorecard_that_is_gone_or_new_is_named(broken: Break, settings: Settings, tmp_path: Path) -> None:
    finding = compared(broken(), settings, tmp_path, f"delete from marts.scorecards where {JANUARY}")
    (row,) = finding.rows
    assert row.startswith("scorecard own A1 month 2026-01-01: score nothing → ")


def test_what_was_running_or_is_closed_is_not_compared(broken: Break, settings: Settings, tmp_path: Path) -> None:
    warehouse = broken("insert into closing.periods values (1, 'month', '2026-01-01', '2026-01-31', '2026-02-01')")
    finding = compared(
        warehouse, settings, tmp_path,
        f"update marts.scorecards set rating = 'Z' where {JANUARY}",
        "update marts.scorecards set rating = 'Z' where is_provisional",
    )  # fmt: skip
    assert finding.success


def test_of_a_private_kpi_no_number_is_shown(broken: Break, settings: Settings, tmp_path: Path) -> None:
    finding = compared(
        broken(), settings, tmp_path,
        "update marts.scorecard_lines set attainment = 0.111 where kpi = 'internal_collaboration_score'"
        f" and {JANUARY}",
    )  # fmt: skip
    assert finding.rows == ("internal_collaboration_score own A1 month 2026-01-01: attainment",)
