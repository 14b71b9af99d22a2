"""`amkpi explain` shows how a target came about, and what is not decided yet; the cases by which this was asked for."""

from __future__ import annotations

import csv
import io
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from amkpi.core.run import Run
from amkpi.core.undecided import is_still_open
from amkpi.explain import text
from amkpi.explain.evidence import Explanation, explain
from amkpi.explain.render import as_csv, as_json, show
from tests.conftest import Agency
from tests.oracle.agencies import random_agency

# One agency is built for the module: in one process.
pytestmark = pytest.mark.slow

CLOSE = date(2026, 3, 31)
CONTRACT = "contract_id,client_id,owner_id,kind,signed_date,start_date,end_date,amount,currency\n"
PROPOSAL = "proposal_id,client_id,owner_id,kind,amount,currency,sent_date,outcome,decided_date\n"
# Joi joined on 16 March and sold 60 million. Pro was promoted on 30 March and sold 300. Ten proposals of Van's: two are
# won, one is lost, one is decided after the run's date, the others are open.
AGENCY = {
    "staff/s.csv": """staff_id,valid_from,full_name,role,manager_id,is_active
PRO,2025-01-01,Đỗ Pro,account_manager,,true
PRO,2026-03-30,Đỗ Pro,account_director,,true
JOI,2026-03-16,Lê Joi,account_manager,PRO,true
VAN,2026-03-16,Vũ Vân,account_executive,PRO,true
""",
    "clients/c.csv": "client_id,client_name\nC,Trà Xanh\n",
    "contracts/k.csv": CONTRACT
    + "K1,C,JOI,new_business,2026-03-20,2026-04-01,2026-12-31,60e6,VND\n"
    + "K2,C,PRO,new_business,2026-01-20,2026-01-01,2026-12-31,300e6,VND\n",
    "proposals/p.csv": PROPOSAL
    + "".join(f"P{n},C,VAN,upsell,1,VND,2026-03-2{n},open,\n" for n in range(6))
    + "P6,C,VAN,upsell,1,VND,2026-03-26,won,2026-04-01\n"
    + "P7,C,VAN,upsell,1,VND,2026-03-27,won,2026-03-31\n"
    + "P8,C,VAN,upsell,1,VND,2026-03-28,won,2026-03-31\n"
    + "P9,C,VAN,upsell,1,VND,2026-03-29,lost,2026-03-31\n",
    "kpi_targets/t.csv": """kpi,scope,period_grain,staff_id,role,valid_from,target,weight
client_revenue,own,,,account_manager,2025-01-01,100e6,2
client_revenue,own,,,account_director,2025-01-01,300e6,2
client_revenue,team,quarter,PRO,,2026-03-20,90e6,1
contract_win_rate,own,,,account_executive,2026-03-24,0.5,1
""",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return published(tmp_path_factory.mktemp("spans"), [AGENCY], CLOSE)


def published(root: Path, deliveries: list[dict[str, Any]], as_of: date) -> Run:
    agency = Agency.at(root, as_of)
    for files in deliveries:
        agency.load(files)
    agency.build()
    agency.publish_unaudited()
    return agency.run


def spans(told: Explanation) -> list[tuple[object, ...]]:
    return [
        (f"{span.first_day:%m-%d}", f"{span.last_day:%m-%d}", span.days, span.unit_days, span.role, span.target)
        for span in told.target_spans
    ]


def score(run: Run, staff_id: str) -> tuple[Any, ...]:
    with duckdb.connect(str(run.home.current.resolve()), read_only=True) as connection:
        return connection.execute(
            "select round(weighted_score, 9), rating from marts.scorecards"
            f" where scope = 'own' and staff_id = '{staff_id}' and period_grain = 'quarter' and period_end = '{CLOSE}'"
        ).fetchall()[0]


def test_who_joined_on_16_march_and_sold_60_million_attains_116_per_cent_of_51_6(run: Run) -> None:
    told = explain(run, "1", "JOI", "2026-Q1", None)
    assert spans(told) == [("03-16", "03-31", 16, 31, "account_manager", 100e6)]
    assert told.value.target == pytest.approx(100e6 * 16 / 31, rel=1e-12)
    assert (told.value.value, told.value.attainment, told.value.status) == (60e6, 1.1625, "on_target")
    assert score(run, "JOI") == (116.25, "A+")


def test_who_was_promoted_on_30_march_sold_300_of_312_9(run: Run) -> None:
    told = explain(run, "1", "PRO", "2026-Q1", None)
    assert spans(told) == [
        ("01-01", "01-31", 31, 31, "account_manager", 100e6),
        ("02-01", "02-28", 28, 28, "account_manager", 100e6),
        ("03-01", "03-29", 29, 31, "account_manager", 100e6),
        ("03-30", "03-31", 2, 31, "account_director", 300e6),
    ]
    assert told.value.target == pytest.approx(sum(span.share or 0 for span in told.target_spans), rel=1e-12)
    assert told.value.target is not None
    assert round(told.value.target / 1e6, 1) == 312.9
    assert (told.value.value, told.value.status) == (300e6, "at_risk")


def test_days_without_a_row_and_rows_for_the_grain_are_shown(run: Run) -> None:
    team = explain(run, "1", "PRO", "2026-Q1", "team")
    assert [(span.first_day.day, span.days, span.grain, span.staff_id, span.share) for span in team.target_spans] == [
        (16, 4, None, None, None),
        (20, 10, "quarter", "PRO", 10e6),
        (30, 2, "quarter", "PRO", 2e6),  # in another role, which the personal row does not ask for
    ]
    assert team.value.target is None
    told = explain(run, "5", "VAN", "2026-03", None)
    without, begun = told.target_spans
    assert (without.days, without.valid_from, begun.days, begun.target, begun.share) == (8, None, 8, 0.5, 0.5)
    assert told.value.weight == 0.5


def test_the_spans_are_in_table_csv_and_json(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    told = explain(run, "1", "PRO", "2026-Q1", None)
    rows = [row for row in csv.DictReader(io.StringIO(as_csv(told))) if row["part"] == "target"]
    assert [(row["first_day"], row["days"], row["target_role"], row["target"]) for row in rows][-1] == (
        "2026-03-30", "2", "account_director", "300000000.0",
    )  # fmt: skip
    assert sum(float(row["share"]) for row in rows) == pytest.approx(told.value.target, rel=1e-12)
    assert as_json(told, "en")["target_spans"][-1]["last_day"] == "2026-03-31"
    show(told, "table", "en")
    out = capsys.readouterr().out
    for shown in ("How the target came about", "account_director", "2/31", "29/31", "a month"):
        assert shown in out
    show(told, "table", "vi")
    assert "Cách tính mục tiêu" in capsys.readouterr().out


def test_what_is_not_decided_yet_is_counted_and_an_off_target_it_could_turn_is_still_open(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    told = explain(run, "5", "VAN", "2026-Q1", None)
    assert (told.value.value, told.value.undecided, told.value.status) == (0.2, 7, "off_target")
    assert text.undecided(told, "en") == "7 of 10 proposals still open"
    assert text.undecided(told, "vi") == "7/10 đề xuất chưa có kết quả"
    show(told, "table", "en")
    out = capsys.readouterr().out
    assert "7 of 10 proposals still open" in out
    assert "… Still open" in out
    assert "Off target" not in out
    assert as_json(told, "en")["is_still_open"] is True
    assert as_json(explain(run, "1", "PRO", "2026-Q1", None), "en")["undecided_text"] is None


@pytest.mark.parametrize(
    ("status", "won", "undecided", "target", "expected"),
    [
        ("off_target", 2, 3, 0.5, True),  # 5 of 10 would be exactly the target
        ("off_target", 2, 2, 0.5, False),
        ("off_target", 2, 0, 0.2, False),
        ("at_risk", 2, 8, 0.5, False),  # it is not marked as failed anyway
        ("no_target", 2, 8, None, False),
    ],
)
def test_only_what_could_reach_its_target_is_still_open(
    status: str, won: int, undecided: int, target: float | None, expected: bool
) -> None:
    assert is_still_open(status, won, 10, undecided, target) is expected


def test_the_spans_of_every_line_hold_its_counted_days_and_add_up_to_its_target(tmp_path: Path) -> None:
    run = published(tmp_path / "random", random_agency(31, as_of=date(2026, 2, 11), size="tiny"), date(2026, 2, 11))
    with duckdb.connect(str(run.home.current.resolve()), read_only=True) as connection:
        lines = connection.execute(
            """
            with spans as (
                select kpi_number, subject_id, period_id, sum(days) as days,
                    sum(case when target > 0 then days else 0 end) as with_target,
                    sum(case when target > 0 then target * days end) as target_days,
                    sum(case when target > 0 then target * days / unit_days end) as shares,
                    sum(case when target > 0 then weight * days end) as weight_days
                from internal.int_target_spans group by all
            )
            select lines.kpi_number, lines.target, lines.weight, spans.*
            from internal.int_scorecard_lines as lines
            left join spans using (kpi_number, subject_id, period_id)
            """
        ).fetchall()
    assert len(lines) > 4000
    assert sum(line[1] is not None for line in lines) > 1000
    for kpi, target, weight, *_, days, with_target, target_days, shares, weight_days in lines:
        wanted = shares if kpi == 1 and with_target == days else None
        if kpi > 1 and with_target:
            wanted = target_days / with_target
        assert target == (wanted if wanted is None else pytest.approx(wanted, rel=1e-12))
        assert weight == (None if wanted is None else pytest.approx(weight_days / days, rel=1e-12))
