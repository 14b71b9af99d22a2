"""Who gets what."""

from __future__ import annotations

from datetime import date

from amkpi.access.names import Managers, Names, StaffMember
from amkpi.scorecards.recipients import Audience, audience

AS_OF = date(2026, 10, 17)
ROLES = ("account_executive", "account_manager", "account_director", "group_account_director")


def person(staff_id: str, role: str = "account_manager", manager: str | None = None, **changes: object) -> StaffMember:
    given = {"email": f"{staff_id.lower()}@agency.example", "locale": "vi", "is_active": True,
             "valid_from": date(2024, 1, 1)} | changes  # fmt: skip
    return StaffMember(staff_id, f"Name {staff_id}", role, manager, **given)  # type: ignore[arg-type]


def decide(*people: StaffMember, leadership: tuple[str, ...] = ()) -> Audience:
    return audience(names(*people), ROLES, leadership)


def names(*people: StaffMember, as_of: date = AS_OF) -> Names:
    return Names(as_of, {each.staff_id: each for each in people}, Managers(), {})


def test_one_person_gets_one_mail_with_own_team_and_company_in_it() -> None:
    found = decide(
        person("G", "group_account_director"), person("D", "account_director", "G"), person("M", manager="D")
    )
    assert [(r.staff_id, r.own, r.leads, r.company) for r in found.recipients] == [
        ("D", True, True, False),
        ("G", True, True, True),
        ("M", True, False, False),
    ]


def test_the_leadership_list_gets_the_company_and_no_names_of_others() -> None:
    found = decide(person("F", "finance_manager"), person("M"), leadership=("F", "NOBODY"))
    finance = found.recipients[0]
    assert (finance.own, finance.leads, finance.company) == (False, False, True)
    assert not finance.may_name("M")
    assert [each.staff_id for each in found.unreachable] == ["NOBODY"]


def test_a_team_reaches_through_people_who_left_and_who_are_no_account_staff() -> None:
    found = decide(
        person("D", "managing_director"), person("X", "designer", "D", is_active=False), person("M", manager="X")
    )
    assert [(r.staff_id, sorted(r.team), r.leads) for r in found.recipients] == [
        ("D", ["M", "X"], True),
        ("M", [], False),
    ]


def test_one_may_name_own_people_and_own_managers_but_no_peers() -> None:
    found = decide(
        person("G", "group_account_director"), person("D", "account_director", "G"),
        person("E", "account_director", "G"),
        person("M", manager="D"), person("N", manager="D"),
    )  # fmt: skip
    reader = next(r for r in found.recipients if r.staff_id == "M")
    assert [reader.may_name(other) for other in ("M", "D", "G", "N", "E", None)] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]


def test_who_left_who_is_yet_to_come_and_who_is_no_account_staff_gets_nothing() -> None:
    found = decide(
        person("L", is_active=False), person("T", valid_from=date(2026, 11, 1)), person("P", "producer"), person("M")
    )
    assert [r.staff_id for r in found.recipients] == ["M"]
    assert not found.unreachable


def test_whoever_cannot_be_reached_is_named_with_the_reason() -> None:
    found = decide(
        person("A", email=None), person("B", email="b@agency.example\nBcc: x@evil.example"),
        person("C", email="c at agency"),
        person("D", email="đ@agency.example"), person("M"),
    )  # fmt: skip
    assert [r.staff_id for r in found.recipients] == ["M"]
    assert [each.staff_id for each in found.unreachable] == ["A", "B", "C", "D"]


def test_two_people_with_one_address_get_nothing_for_either_would_read_the_other() -> None:
    found = decide(person("A", email="both@agency.example"), person("B", email="Both@agency.example"), person("M"))
    assert [r.staff_id for r in found.recipients] == ["M"]
    assert [each.staff_id for each in found.unreachable] == ["A", "B"]


def test_who_shares_an_address_with_somebody_who_gets_no_scorecard_gets_nothing_either() -> None:
    found = decide(person("A", email="both@agency.example"), person("B", "office", email="both@agency.example"))
    assert [found.recipients, [each.staff_id for each in found.unreachable]] == [(), ["A"]]
    left = person("B", "office", email="both@agency.example", is_active=False)
    assert [each.staff_id for each in decide(person("A", email="both@agency.example"), left).recipients] == ["A"]


def test_a_loop_of_managers_ends() -> None:
    found = decide(person("A", manager="B"), person("B", manager="A"))
    assert [r.managers for r in found.recipients] == [("B",), ("A",)]


def test_the_language_is_the_locale_s_or_the_default() -> None:
    found = decide(
        person("A", locale="en_GB"), person("B", locale="vi-VN"), person("C", locale=None), person("D", locale="fr")
    )
    assert [r.language for r in found.recipients] == ["en", "vi", "vi", "vi"]


def test_of_a_closed_period_roles_and_teams_are_those_of_the_closing_and_the_rest_is_todays() -> None:
    closed = names(
        person("A", "account_director"), person("B", "account_director"), person("M", manager="A"),
        person("L", manager="A"), person("T", manager="A", valid_from=date(2026, 11, 1)), as_of=date(2026, 10, 10),
    )  # fmt: skip
    today = names(
        person("A", "designer", locale="en"), person("B", "group_account_director"),
        person("M", "account_director", "B", email="new@agency.example"), person("L", manager="A", is_active=False),
        person("N", manager="A"),
    )  # fmt: skip
    found = {each.staff_id: each for each in audience(today, ROLES, as_closed=closed).recipients}
    assert sorted(found) == ["A", "B", "M", "N"], "who has left gets nothing"
    assert (found["A"].own, found["A"].leads, found["A"].team, found["A"].language) == (True, True, {"L", "M"}, "en")
    assert (found["B"].team, found["B"].company, found["B"].person.role) == (frozenset(), True, "account_director")
    assert (found["M"].managers, found["M"].person.role) == (("A",), "account_manager")
    assert found["M"].address.addr_spec == "new@agency.example"
