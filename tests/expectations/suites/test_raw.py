"""Volumes, freshness and clocks against earlier runs: each fault is planted into the ledger."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from amkpi.core.findings import Finding
from amkpi.core.settings import Settings
from amkpi.expectations.context import Occasion
from amkpi.expectations.runner import audit_suites
from amkpi.expectations.suites.raw import raw_suite
from tests.changed_settings import changed
from tests.expectations.conftest import AS_OF, LOADED_AT, Break

# The build takes 10 s, Great Expectations 6 s to import; then an audit takes 0.3 s.
pytestmark = pytest.mark.slow

OCCASION = Occasion(AS_OF, LOADED_AT)


def loads(*rows: int, extract: str = "projects", source: str = "null") -> str:
    """A statement that adds a load of each size, one a run, after the only one that there is."""
    values = ", ".join(f"({number}, {count})" for number, count in enumerate(rows, 1))
    return (
        f"insert into raw.ledger select 100 + number, 1 + number, '{extract}/' || number || '.csv', '{extract}',"
        f" {source}, 'sha' || number, 9, 'loaded', null, count, loaded_at, true"
        f" from (values {values}) as loads (number, count), (select max(loaded_at) as loaded_at from raw.ledger)"
    )


def audited(broken: Break, settings: Settings, *statements: str, occasion: Occasion = OCCASION) -> dict[str, Finding]:
    suite = raw_suite(settings, occasion)
    return {f.expectation: f for f in audit_suites(broken(*statements), settings, [suite], lambda line: None)}


@pytest.mark.parametrize(
    ("sizes", "observed"),
    [
        # The first load of the agency has 2 projects: it is one of the five earlier ones.
        ((50, 50, 50, 50, 10), "1 load: projects 10 rows in run 6, usually 50"),
        ((50, 50, 50, 50, 250), "1 load: projects 250 rows in run 6, usually 50"),
        ((50, 50, 50, 50, 0), "1 load: projects 0 rows in run 6, usually 50"),
        ((50, 50, 50, 50, 11), "0 loads"),
        ((50, 50, 50, 50, 249), "0 loads"),
        ((50, 50, 50, 10), "0 loads"),  # four earlier loads say too little
        ((3, 3, 3, 3, 0), "0 loads"),  # so do a few rows
        ((4, 4, 4, 4, 20), "1 load: projects 20 rows in run 6, usually 4"),
        ((50, 50, 50, 50, 10, 50), "0 loads"),  # only the newest run is new
    ],
)
def test_a_load_far_from_the_usual_is_seen(
    broken: Break, settings: Settings, sizes: tuple[int, ...], observed: str
) -> None:
    assert audited(broken, settings, loads(*sizes))["loads_are_as_large_as_usual"].observed == observed


def test_a_mapping_has_a_usual_volume_of_its_own(broken: Break, settings: Settings) -> None:
    sizes = (500, 500, 500, 500, 500, 500)
    found = audited(broken, settings, loads(50, 50, 50, 50), loads(*sizes, source="'jira'").replace("100 +", "200 +"))
    assert found["loads_are_as_large_as_usual"].observed == "0 loads"


def test_how_far_is_too_far_is_a_setting(broken: Break, settings: Settings) -> None:
    patient = changed(settings, volume_factor=5.1)
    assert audited(broken, patient, loads(50, 50, 50, 50, 10))["loads_are_as_large_as_usual"].success


@pytest.mark.parametrize(("seen", "observed"), [(5, "1 load: projects 10 rows in run 6, usually 50"), (6, "0 loads")])
def test_every_load_since_the_last_audit_is_judged(broken: Break, settings: Settings, seen: int, observed: str) -> None:
    # The small load came ten minutes before an ordinary one, and no audit came between them.
    occasion = replace(OCCASION, seen_run=seen)
    found = audited(broken, settings, loads(50, 50, 50, 50, 10, 50), occasion=occasion)
    assert found["loads_are_as_large_as_usual"].observed == observed


@pytest.mark.parametrize(
    ("days", "observed"),
    [
        (7, "0 families"),
        (8, "1 family: project, last rows 2026-03-20, 8 days ago (7 allowed)"),
        (14, "1 family: project, last rows 2026-03-20, 14 days ago (7 allowed)"),
    ],
)
def test_a_family_goes_stale_after_its_days(broken: Break, settings: Settings, days: int, observed: str) -> None:
    occasion = replace(OCCASION, moment=LOADED_AT + timedelta(days=days))
    assert audited(broken, settings, occasion=occasion)["no_family_has_gone_stale"].observed == observed


def test_each_family_has_its_own_patience(broken: Break, settings: Settings) -> None:
    occasion = replace(OCCASION, moment=LOADED_AT + timedelta(days=46))
    patient = changed(settings, stale_survey_days=46, stale_contract_days=60)
    rows = audited(broken, patient, occasion=occasion)["no_family_has_gone_stale"].rows
    assert [row.split(",")[0] for row in rows] == ["project", "reference"]


def test_days_are_counted_where_the_agency_is(broken: Break, settings: Settings) -> None:
    # Loaded at 21:00 in Vietnam; three hours later it is another day there, not in Greenwich.
    occasion = replace(OCCASION, moment=LOADED_AT + timedelta(days=7, hours=3))
    assert not audited(broken, settings, occasion=occasion)["no_family_has_gone_stale"].success
    elsewhere = changed(settings, timezone="Europe/London")
    suite = raw_suite(elsewhere, occasion)
    found = audit_suites(broken(folder="again"), elsewhere, [suite], lambda line: None)
    assert next(f for f in found if f.expectation == "no_family_has_gone_stale").success


def test_a_load_without_rows_does_not_make_a_family_fresh(broken: Break, settings: Settings) -> None:
    statement = loads(0).replace("loaded_at, true", "loaded_at + interval 8 day, true")
    occasion = replace(OCCASION, moment=LOADED_AT + timedelta(days=8))
    assert not audited(broken, settings, statement, occasion=occasion)["no_family_has_gone_stale"].success


def test_a_clock_ahead_is_told_by_file_and_line_once(broken: Break, settings: Settings) -> None:
    ahead = "update parsed.clients set _from_future = true where client_id = 'C2'"
    said = "update raw.clients set updated_at = '2031-01-01' where client_id = 'C2'"
    found = audited(broken, settings, ahead, said)["no_clock_is_ahead"]
    assert found.observed == "1 file: clients/clients.csv as clients (1 row)"
    assert found.rows == ("clients/clients.csv line 3 as clients, updated_at 2031-01-01",)
    suite = raw_suite(settings, OCCASION)
    later = audit_suites(broken(ahead, loads(2), folder="later"), settings, [suite], lambda line: None)
    assert next(f for f in later if f.expectation == "no_clock_is_ahead").success


def test_of_a_peer_review_only_the_line_is_told(broken: Break, settings: Settings) -> None:
    found = audited(
        broken,
        settings,
        "update parsed.peer_reviews set _from_future = true where review_id = 'V1'",
        "update raw.peer_reviews set updated_at = '2031-01-01'",
    )["no_clock_is_ahead"]
    assert found.rows == ("peer_reviews/peer_reviews.csv line 2 as peer_reviews",)


def test_rows_held_back_are_told_by_file_line_and_reason(broken: Break, settings: Settings) -> None:
    found = audited(
        broken,
        settings,
        "insert into validation.quarantine"
        " select 'contracts', _delivery, _line, 'bad_type', 'amount', 'secret', false from raw.contracts",
    )["few_enough_rows_are_quarantined"]
    assert found.observed == "1 extract: contracts 100.0 % (3 of 3 rows)"
    assert found.rows == tuple(f"contracts/contracts.csv line {n} as contracts: bad_type in amount" for n in (2, 3, 4))
    assert found.unexpected_count == 1


def test_a_rejected_file_is_told_with_its_reason(broken: Break, settings: Settings) -> None:
    statement = (
        "insert into raw.ledger select 99, max(run), 'contracts/broken.csv', 'contracts', null, 'ab', 3, 'rejected',"
        " 'not readable', 0, max(loaded_at), true from raw.ledger"
    )
    found = audited(broken, settings, statement)["no_file_was_rejected_in_the_last_run"]
    assert found.rows == ("contracts/broken.csv, not readable",)
