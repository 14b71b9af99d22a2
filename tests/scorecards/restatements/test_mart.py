"""`marts.restatements`: each figure of a mail that readers see otherwise now, and why; one cause for each person."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from amkpi.core.publication_id import current_file
from amkpi.scorecards.facts import read_publication
from amkpi.scorecards.mail.history import History, Sending, last_sent_figures
from amkpi.scorecards.model import SentFigure
from amkpi.scorecards.restatements.causes import CauseFinder
from amkpi.scorecards.restatements.lines import current_figures, restated_lines
from tests.publishing.closing.conftest import Closable
from tests.publishing.closing.test_causes import (
    BEFORE,
    CONTRACTS,
    CONTRACTS_DELETED,
    PROPOSALS,
    STAFF,
    TARGETS,
    contract,
)

# One agency is built for the module, and another with the changes: in one process.
pytestmark = pytest.mark.slow

QUARTER = date(2026, 1, 1)
MAILED = datetime(2026, 4, 16, 1, 0, tzinfo=UTC)
CHANGES = {
    "clients/b.csv": "client_id,client_name\nC-released,Client released\n",
    "contracts/b.csv": CONTRACTS_DELETED
    + contract("late", "late").strip() + ",\n"
    + contract("corrected", "corrected", amount=250).strip() + ",\n"
    + "K-deleted,,,,,,,,,true\n",
    "proposals/b.csv": PROPOSALS + "P-1,C-decided,decided,new_business,9,VND,2026-02-01,won,2026-04-20\n",
    "kpi_targets/b.csv": TARGETS
    + "client_revenue,own,,target,,2025-01-01,80,1\n"
    # Of nobody who was mailed: no cause of theirs.
    + "contract_win_rate,own,,,group_account_director,2025-01-01,0.5,1\n",
    "staff/b.csv": STAFF + "both,2026-03-01,Both,account_director,boss,false\n",
}  # fmt: skip


def mail_everything(agency: Closable) -> None:
    """Let one mail have reported every figure of the quarter as it is published."""
    with duckdb.connect(str(current_file(agency.home)), read_only=True) as connection:
        publication = read_publication(connection)
        seen = current_figures(connection, {("quarter", QUARTER)})
    History(agency.home.state).write(
        Sending(
            "quarter", "2026-Q1", "closed", "boss", "boss@agency.example", publication.publication_id,
            publication.delivery, publication.pipeline_version, "<m>", "sent", MAILED, "250", 1,
            tuple(SentFigure(*key, figure=figure) for key, figure in sorted(seen.items(), key=str)),
            publication.as_of, publication.settings,
        )
    )  # fmt: skip


@pytest.fixture(scope="module")
def mailed(tmp_path_factory: pytest.TempPathFactory) -> Closable:
    """The agency with its first quarter mailed as of 15 April; to be copied."""
    agency = Closable.at(tmp_path_factory.mktemp("restatements") / "home", date(2026, 4, 15))
    agency.moment = datetime(2026, 4, 15, 1, 0, tzinfo=UTC)
    targets = "client_revenue,own,,late,,2025-01-01,50,1\nclient_revenue,own,,both,,2025-01-01,90,1\n"
    agency.publish(BEFORE | {"kpi_targets/a.csv": BEFORE["kpi_targets/a.csv"] + targets})
    mail_everything(agency)
    return agency


@pytest.fixture(scope="module")
def changed(mailed: Closable, tmp_path_factory: pytest.TempPathFactory) -> Closable:
    """The agency after the changes; to be read, or copied."""
    agency = mailed.copied(tmp_path_factory.mktemp("changed") / "home")
    agency.set(csat_threshold=0.5)
    agency.publish(CHANGES, as_of=date(2026, 4, 25))
    return agency


@pytest.fixture
def agency(mailed: Closable, tmp_path: Path) -> Closable:
    return mailed.copied(tmp_path / "home")


def own(agency: Closable, columns: str = "cause") -> dict[tuple[str, str, str], Any]:
    """By person, KPI ('' for the score) and figure."""
    rows = agency.published(
        f"select staff_id, coalesce(kpi, ''), what, {columns} from marts.restatements where scope = 'own'"
    )
    return {(person, kpi, what): rest[0] if len(rest) == 1 else tuple(rest) for person, kpi, what, *rest in rows}


def test_each_figure_has_the_cause_of_its_own_change(changed: Closable) -> None:
    causes = own(changed)
    revenue = {
        person: cause for (person, kpi, what), cause in causes.items() if (kpi, what) == ("client_revenue", "value")
    }
    assert revenue == {
        "late": "late_rows",
        "corrected": "corrected_rows",
        "deleted": "deleted_rows",
        "released": "released_rows",
    }
    assert causes["decided", "contract_win_rate", "value"] == "decided_since"
    assert causes["since", "cost_to_budget_ratio", "value"] == "happened_since"
    assert causes["setting", "client_satisfaction", "value"] == "settings_changed"
    # The score moved with what it is made of.
    assert causes["late", "", "score"] == causes["late", "client_revenue", "attainment"] == "late_rows"
    assert causes["target", "client_revenue", "target"] == "targets_changed"
    assert causes["target", "", "score"] == causes["target", "", "rating"] == "targets_changed"
    # Who became inactive has fewer days that count.
    assert causes["both", "client_revenue", "target"] == "late_rows"
    company = changed.published(
        "select cause from marts.restatements where scope = 'company' and kpi = 'client_revenue'"
    )
    assert company == [("late_rows,corrected_rows,deleted_rows,released_rows",)]


def test_then_and_now_are_those_of_the_mail_and_of_today(changed: Closable) -> None:
    found = own(changed, "value_then, value_now, rating_then, rating_now, mailed_at")
    assert found["target", "client_revenue", "target"] == (150.0, 240.0, None, None, MAILED)
    before, after, *rest = found["target", "", "score"]
    assert (round(before, 6), round(after, 6)) == (66.666667, 41.666667)
    assert rest == [None, None, MAILED]
    assert found["target", "", "rating"] == (None, None, "C", "D", MAILED)


def test_since_when_it_is_published_stays_until_a_mail_reports_it(changed: Closable, tmp_path: Path) -> None:
    agency = changed.copied(tmp_path / "home")
    first = agency.published("select distinct first_seen_at from marts.restatements")
    assert first == [(agency.moment,)]
    agency.publish({"contracts/c.csv": CONTRACTS + contract("deleted", "deleted", 700)}, as_of=date(2026, 4, 26))
    assert own(agency, "first_seen_at")["late", "client_revenue", "value"] == first[0][0]
    mail_everything(agency)
    agency.publish({}, as_of=date(2026, 4, 27))
    assert own(agency) == {}


def test_neither_the_private_kpi_nor_a_score_that_it_alone_moved_is_named(agency: Closable) -> None:
    with duckdb.connect(str(current_file(agency.home)), read_only=True) as connection:
        now = current_figures(connection, {("quarter", QUARTER)})
    then = last_sent_figures(History(agency.home.state).read())
    private = "internal_collaboration_score"
    moved = now | {key: 0.5 for key in now if key.staff_id == "late" and (key.kpi == private or key.what == "score")}
    assert any(key.kpi == private for key in now)
    assert restated_lines(then, moved) == []
    moved |= {key: 7.0 for key in now if key.staff_id == "late" and (key.kpi, key.what) == ("client_revenue", "value")}
    assert {(line.kpi, line.reported) for line in restated_lines(then, moved)} == {
        (None, ("score",)),
        ("client_revenue", ("value",)),
    }


def test_a_pruned_publication_still_leaves_what_the_rows_say(
    mailed: Closable, changed: Closable, tmp_path: Path
) -> None:
    agency = changed.copied(tmp_path / "home")
    before = current_file(mailed.home)
    assert before is not None
    (agency.home.published / before.name).unlink()
    agency.publish({"contracts/c.csv": CONTRACTS + contract("more", "late", 1)}, as_of=date(2026, 4, 26))
    causes = own(agency)
    assert causes["target", "client_revenue", "target"] == "targets_changed"
    assert "late_rows" in causes["late", "client_revenue", "value"].split(",")


def test_the_finder_of_a_mail_names_the_records_the_largest_first(changed: Closable) -> None:
    with duckdb.connect(str(current_file(changed.home)), read_only=True) as connection:
        now = current_figures(connection, {("quarter", QUARTER)})
    lines = restated_lines(last_sent_figures(History(changed.home.state).read()), now)
    finder = CauseFinder(changed.home)
    company = next(each for each in lines if (each.scope, each.kpi) == ("company", "client_revenue"))
    assert finder.of(company, lines).records[0] == ("C-corrected", "K-corrected")
    person = next(each for each in lines if (each.staff_id, each.scope, each.kpi) == ("late", "own", None))
    assert finder.of(person, lines).records == (("C-late", "K-late"),)
    assert str(finder.of(person, lines)) == "late_rows"


@pytest.mark.long
def test_what_a_reopened_closing_had_is_a_restatement_while_the_period_is_open(agency: Closable) -> None:
    agency.close("2026-Q1")
    agency.publish(CHANGES, as_of=date(2026, 4, 25))
    assert own(agency) == {}, "closed means closed"
    agency.reopen("2026-Q1")
    found = own(agency, "cause, value_now, mailed_at")
    assert found["late", "client_revenue", "value"] == ("reopened", 100.0, MAILED)
    assert {cause for cause, *_ in found.values()} == {"reopened"}
    agency.close("2026-Q1")
    assert own(agency)["late", "client_revenue", "value"] == "late_rows", "the mail said otherwise, and it is closed so"
