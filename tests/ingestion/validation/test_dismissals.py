"""Rows that nobody will correct are set aside: by whom and why is kept, and nothing counts them any more."""

from __future__ import annotations

import pytest

from amkpi.core.errors import AmkpiError
from amkpi.core.publication_id import publication_id
from amkpi.core.storage import dismissals
from amkpi.ingestion.validation import quarantine
from amkpi.pipeline import held_back, steps
from tests.conftest import Agency

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("kept_open")]

FILE = "client_id,client_name\nC1,One\nC2,\nC3,\nC4\n"


@pytest.fixture
def held(agency: Agency) -> Agency:
    """An agency with three rows held back in one file, and one in another."""
    agency.load({"clients/a.csv": FILE, "clients/b.csv": "client_id,client_name\nC9,\n"})
    return agency


def dismiss(agency: Agency, reason: str | None = "missing_required", file_name: str | None = "clients/a.csv") -> int:
    return held_back.dismiss_quarantine(agency.run, "NV001", "test rows of the CRM", None, file_name, reason)


def shown(agency: Agency) -> list[tuple[str, int]]:
    with held_back._with_row_checks(agency.run) as connection:
        return [(each.file_name, each.line) for each in quarantine.rows(connection)]


def identity(agency: Agency) -> str:
    with agency.warehouse() as connection:
        return publication_id(agency.home, connection, agency.run.settings, agency.run.as_of)


def test_chosen_rows_are_set_aside_and_listed_with_by_whom_and_why(
    held: Agency, capsys: pytest.CaptureFixture[str]
) -> None:
    before = identity(held)
    assert dismiss(held) == 2
    assert shown(held) == [("clients/a.csv", 5), ("clients/b.csv", 2)]
    found = dismissals.read(held.home.state)
    assert [(each.delivery, each.line, each.by, each.why) for each in found] == [
        (1, 3, "NV001", "test rows of the CRM"), (1, 4, "NV001", "test rows of the CRM"),
    ]  # fmt: skip
    held_back.show_dismissed(held.run)
    out = " ".join(capsys.readouterr().out.split())
    assert "clients/a.csv missing_required 2 NV001 test rows of the CRM" in out
    assert identity(held) != before, "the marts show it, so it is another publication"


@pytest.mark.parametrize(("by", "why", "of", "wrong"), [
    ("", "x", "clients", "--by"), ("x", " ", "clients", "--why"), ("x", "x", None, "--extract, --file or --reason"),
])  # fmt: skip
def test_it_needs_a_name_a_reason_and_a_selection(held: Agency, by: str, why: str, of: str | None, wrong: str) -> None:
    with pytest.raises(AmkpiError, match=wrong):
        held_back.dismiss_quarantine(held.run, by, why, of, None, None)
    assert len(shown(held)) == 4


def test_the_first_dismissal_of_a_row_stays_and_a_rebuild_keeps_it(held: Agency) -> None:
    dismiss(held)
    assert dismiss(held) == 0
    assert held_back.dismiss_quarantine(held.run, "NV002", "all", "clients", None, None) == 2
    steps.rebuild(held.run)
    assert shown(held) == []
    assert [each.by for each in dismissals.read(held.home.state)] == ["NV001", "NV001", "NV002", "NV002"]


def test_a_dismissed_row_that_becomes_good_is_just_good(agency: Agency) -> None:
    project = "project_id,client_id,project_name,start_date,committed_due_date,currency\n"
    agency.load({"clients/a.csv": "client_id,client_name\nC1,One\n",
                 "projects/p.csv": f"{project}P1,C2,x,2026-01-01,2026-02-01,VND\n"})  # fmt: skip
    assert dismiss(agency, "unknown_reference", None) == 1
    agency.load({"clients/b.csv": "client_id,client_name\nC2,Two\n"})
    assert shown(agency) == []
    assert agency.rows("select project_id from valid.projects") == [("P1",)]
    with held_back._with_row_checks(agency.run) as connection:
        assert quarantine.dismissed(connection, agency.home) == []


def test_an_export_leaves_dismissed_rows_out(held: Agency) -> None:
    dismiss(held)
    target = held.home.root / "out.csv"
    assert held_back.export_quarantine(held.run, "clients", target, None, None) == 2


def test_a_dismissal_is_taken_back_and_both_are_kept(held: Agency, capsys: pytest.CaptureFixture[str]) -> None:
    before = identity(held)
    dismiss(held)
    assert held_back.take_back_dismissals(held.run, "NV007", "they were real", None, "clients/b.csv", None) == 0
    assert held_back.take_back_dismissals(held.run, "NV007", "they were real", None, "clients/a.csv", None) == 2
    assert len(shown(held)) == 4
    assert identity(held) == before
    held_back.show_dismissed(held.run)
    out = " ".join(capsys.readouterr().out.split())
    assert "2 dismissals of clients by NV001 (test rows of the CRM) taken back by NV007" in out
    assert "they were real" in out
    # They can be dismissed again, by somebody else.
    assert held_back.dismiss_quarantine(held.run, "NV002", "no", "clients", None, None) == 4
    assert {each.by for each in dismissals.read(held.home.state)} == {"NV002"}
    assert [each.by for each in dismissals.read_taken_back(held.home.state)] == ["NV007", "NV007"]


def test_taking_back_needs_a_name_a_reason_and_a_selection(held: Agency) -> None:
    dismiss(held)
    for by, why, of in (("", "x", "clients"), ("x", "", "clients"), ("x", "x", None)):
        with pytest.raises(AmkpiError, match="--undismiss needs"):
            held_back.take_back_dismissals(held.run, by, why, of, None, None)
    assert len(dismissals.read(held.home.state)) == 2
