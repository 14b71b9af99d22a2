"""Who may see what: each right against a plain rule, for every reader of random agencies."""

from __future__ import annotations

import random
from datetime import date

import pytest

from amkpi.access.names import ManagedSpan, Names
from amkpi.access.reader import Reader, reader_in_mail, reader_of, reader_of_address
from amkpi.core.settings import Settings
from tests.access.agencies import AS_OF, names_of, person, random_names, settings_of


def is_above(names: Names, manager: str, staff_id: str) -> bool:
    """The plain rule: following `manager_id` from a person meets the manager, over people who have started."""
    at, steps = names.people[staff_id].manager_id, 0
    while at in names.people and names.people[at].valid_from <= names.as_of and steps <= len(names.people):
        if at == manager:
            return staff_id != manager
        at, steps = names.people[at].manager_id, steps + 1
    return False


def is_here(names: Names, staff_id: str) -> bool:
    return staff_id in names.people and names.people[staff_id].valid_from <= names.as_of


def leads(names: Names, staff_id: str) -> bool:
    return any(each.manager_id == staff_id for each in names.people.values()) or any(
        span.manager_id == staff_id for spans in names.managers.values() for span in spans
    )


def expected_rights(names: Names, settings: Settings, staff_id: str, other: str) -> tuple[bool, ...]:
    """(own, team, name, record) of the reader about the other person, for who is no analyst."""
    own = staff_id == other or (is_here(names, other) and is_above(names, staff_id, other))
    team = staff_id == other or (own and leads(names, other))
    named = own or (is_here(names, other) and is_above(names, other, staff_id))
    person_ = names.people[staff_id]
    company = person_.role == "group_account_director" or staff_id in settings.scorecards.leadership
    return own, team, named, own or company


def rights(reader: Reader, other: str) -> tuple[bool, ...]:
    return (
        reader.may_read("own", other),
        reader.may_read("team", other),
        reader.may_name(other),
        reader.may_read_record(other),
    )


@pytest.mark.parametrize("seed", range(60))
def test_every_reader_of_a_random_agency_has_the_rights_of_the_plain_rule(seed: int) -> None:
    names, draw = random_names(seed), random.Random(seed)
    ids = list(names.people)
    settings = settings_of(leadership=tuple(draw.sample(ids, k=min(2, len(ids)))), operators=(draw.choice(ids),))
    for staff_id, someone in names.people.items():
        reader = reader_of(names, staff_id, settings)
        if not (someone.is_active and is_here(names, staff_id)):
            assert reader is None
            continue
        assert reader is not None
        assert reader.data == (staff_id in settings.pages.operators)
        assert reader.may_read("company", None) == reader.may_read_record(None) == reader.company
        for other in ids:
            assert rights(reader, other) == expected_rights(names, settings, staff_id, other), (staff_id, other)


@pytest.mark.parametrize("seed", range(60))
def test_an_address_has_the_rights_of_the_one_active_person_who_has_it(seed: int) -> None:
    names, settings = random_names(seed), settings_of()
    for address in {each.email for each in names.people.values() if each.email}:
        holders = [
            each.staff_id
            for each in names.people.values()
            if each.email and each.email.lower() == address.lower() and each.is_active and is_here(names, each.staff_id)
        ]
        alone = reader_of(names, holders[0], settings) if len(holders) == 1 else None
        assert reader_of_address(names, f" {address.upper()} ", settings) == alone


def test_nobody_reads_what_is_of_no_known_kind() -> None:
    reader = reader_of(names_of(person("A")), "A", settings_of(leadership=("A",)))
    assert reader is not None
    asked = [("own", None), ("team", None), ("company", "A"), ("client", "A"), ("", "A"), ("own", ""), ("own", "B")]
    assert not any(reader.may_read(scope, staff_id) for scope, staff_id in asked)
    assert not reader.may_name(None)


def test_an_analyst_reads_everything_with_or_without_a_place_in_the_staff_extract() -> None:
    names = names_of(person("A"), person("B", is_active=False), person("C", "B", valid_from=date(2027, 1, 1)))
    settings = settings_of(analysts=("A", "Out@Side.example"))
    readers = reader_of(names, "A", settings), reader_of_address(names, "out@side.EXAMPLE", settings)
    for reader in readers:
        assert reader is not None
        assert (reader.people, reader.named, reader.teams) == ({"A", "B", "C"}, {"A", "B", "C"}, {"B"})
        assert reader.company
        assert reader.data
    assert [reader.staff_id for reader in readers if reader] == ["A", None]


def test_an_operator_who_is_no_employee_reads_the_pages_on_data_alone() -> None:
    reader = reader_of_address(names_of(person("A")), "ops@side.example", settings_of(operators=("ops@side.example",)))
    assert reader == Reader(None, frozenset(), frozenset(), frozenset(), company=False, data=True)


def test_an_address_in_the_settings_counts_only_for_who_signs_in_with_it() -> None:
    settings = settings_of(analysts=("analyst@side.example",))
    # The staff extract gives a person the address of an analyst.
    names = names_of(person("A", email="analyst@side.example"), person("B"))
    reader = reader_of(names, "A", settings)
    assert reader is not None
    assert reader.people == {"A"}
    signed_in = reader_of_address(names, "analyst@side.example", settings)
    assert signed_in is not None
    assert signed_in.people == {"A", "B"}


def test_an_entry_with_an_at_sign_is_never_a_staff_id() -> None:
    names = names_of(person("boss@side.example", email="x@agency.example"))
    reader = reader_of(names, "boss@side.example", settings_of(analysts=("boss@side.example",)))
    assert reader is not None
    assert not reader.data


def test_the_address_of_somebody_who_left_gives_nothing_even_where_the_settings_list_it() -> None:
    names = names_of(person("A", is_active=False))
    assert reader_of_address(names, "a@agency.example", settings_of(analysts=("a@agency.example",))) is None
    assert reader_of(names, "A", settings_of(analysts=("A",))) is None


def test_no_address_is_nobodys_address() -> None:
    names = names_of(person("A", email=None), person("B", email="  "))
    assert [reader_of_address(names, address, settings_of(analysts=("@",))) for address in ("", "  ")] == [None, None]


def test_who_led_a_team_before_still_reads_the_numbers_of_that_team_but_no_other_persons() -> None:
    spans = {"M": (ManagedSpan("D", date(2024, 1, 1), date(2025, 1, 1)),)}
    reader = reader_of(names_of(person("G"), person("D", "G"), person("M", "E"), spans=spans), "G", settings_of())
    assert reader is not None
    assert (reader.teams, reader.people) == ({"G", "D"}, {"G", "D"})


def test_a_mail_is_the_same_for_analysts_and_for_everybody_else() -> None:
    names = names_of(person("G"), person("D", "G"), person("M", "D"))
    assert reader_in_mail(names, "D", company=True) == Reader(
        "D", frozenset("DM"), frozenset("D"), frozenset("GDM"), company=True, data=False
    )
    assert names.as_of == AS_OF
