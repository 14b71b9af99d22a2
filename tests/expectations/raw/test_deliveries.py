"""Volumes, freshness and clocks compared with earlier runs: each fault is planted into the ledger."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from amkpi.core.settings import Settings
from tests.changed_settings import changed
from tests.expectations.audits import CONTEXT, LOADED_AT, audit, audit_raw, blocking, failed
from tests.expectations.conftest import Break
from tests.expectations.raw.faults import A_LOADED_FILE, A_REJECTED_FILE, INTO_LEDGER, WARNING_FAULTS

# The build takes 10 s, Great Expectations 6 s to import; then an audit takes 0.3 s.
pytestmark = pytest.mark.slow


def loads(*rows: int, extract: str = "projects", source: str = "null") -> str:
    """A statement that adds loads of these sizes, each in a run of its own, after the one that exists."""
    values = ", ".join(f"({number}, {count})" for number, count in enumerate(rows, 1))
    return (
        f"{INTO_LEDGER} select 100 + number, 1 + number, '{extract}/' || number || '.csv', '{extract}',"
        f" {source}, 'sha' || number, 9, 'loaded', null, count, loaded_at, true"
        f" from (values {values}) as loads (number, count), (select max(loaded_at) as loaded_at from raw.ledger)"
    )


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
    assert audit_raw(broken(loads(*sizes)), settings)["loads_are_as_large_as_usual"].observed == observed


def test_a_mapping_has_a_usual_volume_of_its_own(broken: Break, settings: Settings) -> None:
    sizes = (500, 500, 500, 500, 500, 500)
    by_mapping = loads(*sizes, source="'jira'").replace("100 +", "200 +")
    found = audit_raw(broken(loads(50, 50, 50, 50), by_mapping), settings)
    assert found["loads_are_as_large_as_usual"].observed == "0 loads"


def test_how_far_is_too_far_is_a_setting(broken: Break, settings: Settings) -> None:
    patient = changed(settings, volume_factor=5.1)
    assert audit_raw(broken(loads(50, 50, 50, 50, 10)), patient)["loads_are_as_large_as_usual"].success


@pytest.mark.parametrize(("seen", "observed"), [(5, "1 load: projects 10 rows in run 6, usually 50"), (6, "0 loads")])
def test_every_load_since_the_last_audit_is_judged(broken: Break, settings: Settings, seen: int, observed: str) -> None:
    # The small load came ten minutes before an ordinary one, without an audit in between.
    context = replace(CONTEXT, seen_run=seen)
    found = audit_raw(broken(loads(50, 50, 50, 50, 10, 50)), settings, context)
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
    context = replace(CONTEXT, moment=LOADED_AT + timedelta(days=days))
    assert audit_raw(broken(), settings, context)["no_family_has_gone_stale"].observed == observed


def test_each_family_has_its_own_patience(broken: Break, settings: Settings) -> None:
    context = replace(CONTEXT, moment=LOADED_AT + timedelta(days=46))
    patient = changed(settings, stale_survey_days=46, stale_contract_days=60)
    rows = audit_raw(broken(), patient, context)["no_family_has_gone_stale"].rows
    assert [row.split(",")[0] for row in rows] == ["project", "reference"]


def test_days_are_counted_where_the_agency_is(broken: Break, settings: Settings) -> None:
    # Loaded at 21:00 in Vietnam; three hours later it is another day there, not in Greenwich.
    context = replace(CONTEXT, moment=LOADED_AT + timedelta(days=7, hours=3))
    assert not audit_raw(broken(), settings, context)["no_family_has_gone_stale"].success
    elsewhere = changed(settings, timezone="Europe/London")
    assert audit_raw(broken(folder="again"), elsewhere, context)["no_family_has_gone_stale"].success


def test_a_load_without_rows_does_not_make_a_family_fresh(broken: Break, settings: Settings) -> None:
    statement = loads(0).replace("loaded_at, true", "loaded_at + interval 8 day, true")
    context = replace(CONTEXT, moment=LOADED_AT + timedelta(days=8))
    assert not audit_raw(broken(statement), settings, context)["no_family_has_gone_stale"].success


def test_a_clock_that_is_ahead_is_reported_once_with_file_and_line(broken: Break, settings: Settings) -> None:
    from_future = "update parsed.clients set _from_future = true where client_id = 'C2'"
    updated_at = "update raw.clients set updated_at = '2031-01-01' where client_id = 'C2'"
    found = audit_raw(broken(from_future, updated_at), settings)["no_clock_is_ahead"]
    assert found.observed == "1 file: clients/clients.csv as clients (1 row)"
    assert found.rows == ("clients/clients.csv line 3 as clients, updated_at 2031-01-01",)
    later = audit_raw(broken(from_future, loads(2), folder="later"), settings)
    assert later["no_clock_is_ahead"].success


def test_of_a_peer_review_only_the_line_is_shown(broken: Break, settings: Settings) -> None:
    from_future = "update parsed.peer_reviews set _from_future = true where review_id = 'V1'"
    updated_at = "update raw.peer_reviews set updated_at = '2031-01-01'"
    found = audit_raw(broken(from_future, updated_at), settings)["no_clock_is_ahead"]
    assert found.rows == ("peer_reviews/peer_reviews.csv line 2 as peer_reviews",)


def test_a_rejected_file_is_reported_with_its_reason(broken: Break, settings: Settings) -> None:
    found = audit_raw(broken(A_REJECTED_FILE), settings)["no_file_was_rejected_in_the_last_run"]
    assert found.rows == ("contracts/broken.csv, not readable",)


def test_a_file_rejected_in_an_earlier_run_is_not_reported_again(broken: Break, settings: Settings) -> None:
    assert failed(audit(broken(A_REJECTED_FILE, A_LOADED_FILE), settings)) == set()


@pytest.mark.parametrize(("expectation", "observed", "statements"), WARNING_FAULTS)
def test_a_warning_is_reported_and_does_not_block(
    broken: Break, settings: Settings, expectation: str, observed: str, statements: list[str]
) -> None:
    findings = audit(broken(*statements), settings)
    assert failed(findings) == {expectation}
    assert blocking(findings) == set()
    assert findings[expectation].observed == observed
