"""A changed address of the staff extract is held until it was told and time went by, or somebody confirmed it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from amkpi.access import addresses
from amkpi.access.addresses import PublishedAddresses
from amkpi.access.names import Names
from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from tests.access.agencies import names_of, person

NOW = datetime(2026, 10, 18, 1, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home.at(tmp_path)
    home.make()
    return home


def see(home: Home, *people: tuple[str, str | None], at: datetime = NOW) -> frozenset[str]:
    """Publish a staff extract; whose address is held then. Mails and pages have to agree."""
    addresses.observe(home.state, people, at)
    addresses.settle(home, 24, at)
    addresses.write_published(home)
    names = names_of(*(person(staff_id, email=email) for staff_id, email in people))
    found = addresses.held(home.state, names)
    assert found == hidden(home, names)
    return found


def hidden(home: Home, names: Names) -> frozenset[str]:
    """Whose address the pages do not use."""
    reachable = PublishedAddresses(home).reachable(names)
    return frozenset(
        each.staff_id for each in names.people.values() if each.email and not reachable.people[each.staff_id].email
    )


def announce(home: Home, at: datetime = NOW) -> None:
    for change in addresses.changes(home.state):
        addresses.mark_old_told(home.state, change, "", at)
        addresses.mark_told(home.state, change, at)


def test_the_first_address_counts_at_once_and_another_one_is_held(home: Home) -> None:
    assert see(home, ("A", "a@x.example"), ("B", None)) == frozenset()
    assert see(home, ("A", " A@X.example "), ("B", "b@x.example")) == frozenset(), "the same, and a first one"
    assert see(home, ("A", "new@x.example"), ("B", "b@x.example")) == {"A"}
    assert [(each.staff_id, each.old, each.new) for each in addresses.changes(home.state)] == [
        ("A", "a@x.example", "new@x.example")
    ]


def test_it_is_held_for_the_hours_after_the_notice_and_not_after_the_change(home: Home) -> None:
    see(home, ("A", "a@x.example"))
    see(home, ("A", "new@x.example"))
    assert see(home, ("A", "new@x.example"), at=NOW + 100 * HOUR) == {"A"}, "nobody was told"
    announce(home, NOW + 100 * HOUR)
    assert see(home, ("A", "new@x.example"), at=NOW + 123.9 * HOUR) == {"A"}
    assert see(home, ("A", "new@x.example"), at=NOW + 90 * HOUR) == {"A"}, "a clock that was set back"
    assert see(home, ("A", "new@x.example"), at=NOW + 124 * HOUR) == frozenset()
    assert not addresses.changes(home.state)
    assert see(home, ("A", "a@x.example"), at=NOW + 125 * HOUR) == {"A"}, "the old one is a change now"


def test_a_confirmed_change_counts_at_once(home: Home) -> None:
    see(home, ("A", "a@x.example"), ("B", "b@x.example"))
    see(home, ("A", "a2@x.example"), ("B", "b2@x.example"))
    addresses.confirm(home, [addresses.changes(home.state)[0]])
    assert see(home, ("A", "a2@x.example"), ("B", "b2@x.example")) == {"B"}


def test_no_detour_gets_round_the_hold(home: Home) -> None:
    see(home, ("A", "a@x.example"))
    assert see(home, ("A", None)) == frozenset()
    assert see(home) == frozenset()
    assert see(home, ("A", "evil@x.example")) == {"A"}, "after a time without an address, and without the person"
    announce(home)
    # The change that was told of is not the one that gets the mails.
    assert see(home, ("A", "worse@x.example"), at=NOW + 23 * HOUR) == {"A"}
    assert see(home, ("A", "worse@x.example"), at=NOW + 48 * HOUR) == {"A"}
    assert [each.told for each in addresses.changes(home.state)] == [None]


def test_what_was_told_of_another_change_confirms_nothing(home: Home) -> None:
    see(home, ("A", "a@x.example"))
    see(home, ("A", "b@x.example"))
    before = addresses.changes(home.state)
    see(home, ("A", "c@x.example"))
    addresses.mark_told(home.state, before[0], NOW)
    addresses.confirm(home, before)
    assert see(home, ("A", "c@x.example"), at=NOW + 48 * HOUR) == {"A"}
    assert see(home, ("A", "b@x.example"), at=NOW + 48 * HOUR) == {"A"}


def test_a_change_that_is_taken_back_is_forgotten(home: Home) -> None:
    see(home, ("A", "a@x.example"))
    see(home, ("A", "b@x.example"))
    announce(home)
    assert see(home, ("A", "a@x.example"), at=NOW + HOUR) == frozenset()
    assert see(home, ("A", "b@x.example"), at=NOW + 48 * HOUR) == {"A"}, "and begins anew"


def test_the_file_for_the_pages_has_no_address_and_is_read_when_it_changes(home: Home) -> None:
    names = names_of(person("A", email="b@x.example"))
    pages = PublishedAddresses(home)
    assert pages.reachable(names) == names, "before the first publication nothing is held"
    see(home, ("A", "a@x.example"))
    text = (home.published / addresses.FILE).read_text()
    assert list(json.loads(text)) == ["A"]
    assert "@" not in text
    assert pages.reachable(names).people["A"].email is None
    (home.published / addresses.FILE).unlink()
    assert pages.reachable(names).people["A"].email is None, "a file that has gone releases nothing"
    see(home, ("A", "b@x.example"))
    addresses.confirm(home, addresses.changes(home.state))
    assert pages.reachable(names) == names


def test_a_damaged_file_shows_nothing_to_anybody(home: Home) -> None:
    for text in ("{", "[]"):
        (home.published / addresses.FILE).write_text(text)
        with pytest.raises(AmkpiError, match=r"addresses\.json"):
            PublishedAddresses(home).reachable(names_of(person("A")))


def test_a_home_without_the_store_holds_nothing(home: Home) -> None:
    assert addresses.held(home.state, names_of(person("A"))) == frozenset()
    assert addresses.changes(home.state) == []
    assert not (home.state / "addresses.sqlite").exists()


def test_what_is_no_address_is_neither_confirmed_nor_held(home: Home) -> None:
    see(home, ("A", "a@x.example"))
    assert see(home, ("A", "đ@x.example")) == frozenset()
    names = names_of(replace(person("A"), email="  "))
    assert addresses.held(home.state, names) == frozenset()
