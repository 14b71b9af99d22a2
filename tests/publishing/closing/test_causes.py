"""Why a closed period would be another one today: the causes of which undoing one alone changes the row."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from amkpi.core.setting_groups.pipeline import RatingBand
from amkpi.publishing.closing import causes
from tests.publishing.closing.conftest import Closable

PEOPLE = (
    "late",
    "corrected",
    "deleted",
    "released",
    "since",
    "decided",
    "target",
    "setting",
    "from",
    "to",
    "both",
    "bands",
)
STAFF = "staff_id,valid_from,full_name,role,manager_id,is_active\n"
CONTRACTS = "contract_id,client_id,owner_id,kind,signed_date,start_date,end_date,amount,currency\n"
CONTRACTS_DELETED = CONTRACTS.strip() + ",is_deleted\n"
PROPOSALS = "proposal_id,client_id,owner_id,kind,amount,currency,sent_date,outcome,decided_date\n"
PROJECTS = (
    "project_id,client_id,owner_id,project_name,start_date,committed_due_date,delivered_date,budget_amount,currency\n"
)
COSTS = "cost_id,project_id,cost_date,amount,currency\n"
SURVEYS = "response_id,client_id,sent_date,responded_date,score,scale_min,scale_max\n"
TARGETS = "kpi,scope,period_grain,staff_id,role,valid_from,target,weight\n"


def contract(name: str, owner: str, amount: int = 100, kind: str = "new_business") -> str:
    return f"K-{name},C-{owner},{owner},{kind},2026-02-10,2026-02-10,2027-02-09,{amount},VND\n"


BEFORE = {
    "staff/a.csv": STAFF
    + "boss,2024-01-01,Boss,account_director,,true\n"
    + "".join(f"{person},2024-01-01,{person.title()},account_manager,boss,true\n" for person in PEOPLE),
    # The client of `released` is not there yet.
    "clients/a.csv": "client_id,client_name\n" + "".join(f"C-{p},Client {p}\n" for p in PEOPLE if p != "released"),
    "client_assignments/a.csv": "client_id,valid_from,account_manager_id\n"
    + "".join(f"C-{person},2025-01-01,{person}\n" for person in PEOPLE if person != "released"),
    "contracts/a.csv": CONTRACTS
    + "".join(
        contract(person, person) for person in ("corrected", "deleted", "released", "from", "target", "both", "bands")
    )
    + "K-old,C-both,both,new_business,2025-06-01,2025-06-01,2026-12-31,5,VND\n",
    "proposals/a.csv": PROPOSALS + "P-1,C-decided,decided,new_business,9,VND,2026-02-01,open,\n",
    "projects/a.csv": PROJECTS + "J-1,C-since,since,Site,2026-01-05,2026-02-20,2026-02-20,1000,VND\n",
    # One cost is dated after the closing's date, and delivered before it.
    "project_costs/a.csv": COSTS + "X-1,J-1,2026-02-01,400,VND\nX-2,J-1,2026-04-20,100,VND\n",
    "client_surveys/a.csv": SURVEYS + "S-1,C-setting,2026-02-01,2026-02-03,3,1,5\n",
    "kpi_targets/a.csv": TARGETS
    + "client_revenue,own,,target,,2025-01-01,50,1\n"
    + "client_revenue,own,quarter,from,,2025-01-01,100,1\nclient_revenue,own,quarter,bands,,2025-01-01,100,1\n",
}


def _agency(root: Path) -> Closable:
    agency = Closable.at(root, date(2026, 4, 15))
    agency.moment = datetime(2026, 4, 15, 1, 0, tzinfo=UTC)
    agency.publish(BEFORE)
    agency.close("2026-Q1")
    return agency


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Closable:
    """The agency with its first quarter closed as of 15 April; to be copied."""
    with pytest.MonkeyPatch.context() as patch:
        from amkpi.pipeline import steps
        from tests.publishing.closing.conftest import pass_audit

        patch.setattr(steps, "audit", pass_audit)
        return _agency(tmp_path_factory.mktemp("causes") / "home")


def causes_of(agency: Closable) -> dict[tuple[str, str], str]:
    """By person and KPI, the cause of the open adjustment of the quarter; of a score, '' for the KPI."""
    rows = agency.published(
        "select staff_id, kpi, cause from marts.adjustments where scope = 'own' and period_grain = 'quarter'"
        " union all select staff_id, '', cause from marts.adjusted_scores"
        " where scope = 'own' and period_grain = 'quarter' order by all"
    )
    return {(person, kpi): cause for person, kpi, cause in rows}


@pytest.mark.slow
def test_each_change_is_named_where_undoing_it_alone_changes_the_row(closed: Closable, tmp_path: Path) -> None:
    agency = closed.copied(tmp_path / "home")
    bands = {"A+": 110, "A": 101, "B": 80, "C": 65, "D": 0}
    agency.set(
        csat_threshold=0.5,
        rating_bands=tuple(RatingBand(rating=rating, at_least=least) for rating, least in bands.items()),
    )
    agency.publish(
        {
            "clients/b.csv": "client_id,client_name\nC-released,Client released\n",
            "contracts/b.csv": CONTRACTS_DELETED
            + contract("late", "late").strip() + ",\n"
            + contract("corrected", "corrected", amount=250).strip() + ",\n"
            + "K-deleted,,,,,,,,,true\n"
            + contract("from", "to").replace("C-to", "C-from").strip() + ",\n",
            "proposals/b.csv": PROPOSALS + "P-1,C-decided,decided,new_business,9,VND,2026-02-01,won,2026-04-20\n",
            "kpi_targets/b.csv": TARGETS + "client_revenue,own,,target,,2025-01-01,80,1\n",
        },
        as_of=date(2026, 4, 25),
    )  # fmt: skip
    assert causes_of(agency) == {
        ("late", "client_revenue"): "late_rows",
        ("corrected", "client_revenue"): "corrected_rows",
        ("deleted", "client_revenue"): "deleted_rows",
        ("released", "client_revenue"): "released_rows",
        ("since", "cost_to_budget_ratio"): "happened_since",
        ("decided", "contract_win_rate"): "decided_since",
        ("setting", "client_satisfaction"): "settings_changed",
        ("from", "client_revenue"): "corrected_rows",
        ("to", "client_revenue"): "corrected_rows",
        ("target", ""): "targets_changed",
        ("from", ""): "corrected_rows",
        ("bands", ""): "settings_changed",
    }
    # Neither another owner, nor other bands, nor another target moves what was paid on.
    shown = "select staff_id, round(weighted_score, 9), rating from marts.scorecards where scope = 'own'"
    of_quarter = " and period_grain = 'quarter' and period_start = '2026-01-01' and rating is not null order by all"
    assert agency.published(shown + of_quarter) == closed.published(shown + of_quarter)
    assert ("from", 100.0, "A") in agency.published(shown + of_quarter)
    assert agency.published(
        "select staff_id, closed_score, closed_rating, fresh_score, fresh_rating from marts.adjusted_scores"
        " where scope = 'own' and period_grain = 'quarter' and staff_id in ('from', 'bands') order by all"
    ) == [("bands", 100.0, "A", 100.0, "B"), ("from", 100.0, "A", 0.0, "D")]
    company = dict(
        agency.published(
            "select kpi, cause from marts.adjustments where scope = 'company' and period_grain = 'quarter'"
        )
    )
    assert company["client_revenue"] == "late_rows,corrected_rows,deleted_rows,released_rows"
    assert company["cost_to_budget_ratio"] == "happened_since"


@pytest.mark.long
@pytest.mark.slow
def test_where_none_does_alone_all_that_apply_are_named(
    closed: Closable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agency = closed.copied(tmp_path / "home")
    # Either of the two is enough for the client to have bought more.
    agency.publish(
        {
            "contracts/b.csv": CONTRACTS
            + contract("more", "both", kind="upsell")
            + contract("both", "both", kind="cross_sell"),
        }
    )
    assert causes_of(agency) == {
        ("both", "client_revenue"): "late_rows",
        ("both", "upsell_cross_sell_rate"): "late_rows,corrected_rows",
    }
    # The next night brings nothing new of the quarter: the causes are kept, and no model is run for them.
    monkeypatch.setattr(causes, "run_without", lambda *_: pytest.fail("nothing needs to be run"))
    before = causes_of(agency)
    later = "K-april,C-corrected,corrected,upsell,2026-04-14,2026-04-14,2027-04-13,5,VND\n"
    agency.publish({"contracts/c.csv": CONTRACTS + later}, as_of=date(2026, 4, 16))
    assert causes_of(agency) == before


@pytest.mark.slow
def test_one_kind_of_change_is_the_cause_without_any_model_run(
    closed: Closable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agency = closed.copied(tmp_path / "home")
    monkeypatch.setattr(causes, "run_without", lambda *_: pytest.fail("nothing needs to be run"))
    # Rows of later periods are delivered every night: they are no cause.
    agency.publish(
        {
            "contracts/b.csv": CONTRACTS
            + contract("late", "late")
            + "K-new,C-corrected,corrected,upsell,2026-04-14,2026-04-14,2027-04-13,5,VND\n",
            "client_surveys/b.csv": SURVEYS + "S-2,C-setting,2026-04-01,2026-04-03,3,1,5\n",
        }
    )
    assert causes_of(agency) == {("late", "client_revenue"): "late_rows"}


@pytest.mark.long
@pytest.mark.slow
def test_a_version_is_the_cause_of_what_no_row_and_no_setting_explains(
    closed: Closable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agency = closed.copied(tmp_path / "home")
    monkeypatch.setattr(causes, "pipeline_version", lambda: "another")
    explained = causes._explained

    def by_another_program(*given: Any) -> Any:
        found = explained(*given)
        # What the program of the closing gave, and that of today does not give from the same rows.
        found[0].known["client_revenue", "own", "late", "quarter", date(2026, 1, 1)] = (-7, 0, 0)
        return found

    monkeypatch.setattr(causes, "_explained", by_another_program)
    agency.publish({"contracts/b.csv": CONTRACTS + contract("late", "late") + contract("deleted", "deleted", 700)})
    found = causes_of(agency)
    assert found["late", "client_revenue"] == "late_rows,version_changed"
    assert found["deleted", "client_revenue"] == "corrected_rows"
