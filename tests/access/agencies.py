"""Small agencies of random people: loops, people who left, people to come, shared addresses."""

from __future__ import annotations

import random
from datetime import date

from amkpi.access.names import ManagedSpan, Managers, Names, StaffMember
from amkpi.core.setting_groups.readers import Pages, Scorecards
from amkpi.core.settings import Settings

AS_OF = date(2026, 10, 17)
ROLES = ("account_executive", "account_manager", "account_director", "group_account_director", "designer")


def person(staff_id: str, manager: str | None = None, **changes: object) -> StaffMember:
    """An active account manager with an address of his own."""
    given: dict[str, object] = {"role": "account_manager", "email": f"{staff_id.lower()}@agency.example"}
    given |= {"locale": "vi", "is_active": True, "valid_from": date(2024, 1, 1)} | changes
    return StaffMember(staff_id=staff_id, full_name=f"Name {staff_id}", manager_id=manager, **given)  # type: ignore[arg-type]


def names_of(*people: StaffMember, spans: dict[str, tuple[ManagedSpan, ...]] | None = None) -> Names:
    """The names of a publication."""
    return Names(AS_OF, {each.staff_id: each for each in people}, Managers(spans or {}), {})


def settings_of(
    analysts: tuple[str, ...] = (), operators: tuple[str, ...] = (), leadership: tuple[str, ...] = ()
) -> Settings:
    """Settings with these lists."""
    return Settings(pages=Pages(analysts=analysts, operators=operators), scorecards=Scorecards(leadership=leadership))  # type: ignore[call-arg]


def random_names(seed: int) -> Names:
    """Up to twelve people in any shape of hierarchy."""
    draw = random.Random(seed)
    ids = [f"S{number}" for number in range(draw.randint(1, 12))]
    managers = [*ids, "UNKNOWN", None, None]
    shared = "two@agency.example"
    spans = {
        staff_id: tuple(ManagedSpan(draw.choice(ids), date(2024, 1, 1), AS_OF) for _ in range(draw.randint(0, 2)))
        for staff_id in ids
    }
    return names_of(
        *(
            person(
                staff_id,
                draw.choice(managers),
                role=draw.choice(ROLES),
                email=draw.choice([f"{staff_id}@Agency.example", f"{staff_id}@agency.example", shared, None]),
                is_active=draw.random() < 0.8,
                valid_from=draw.choice([date(2024, 1, 1), AS_OF, date(2026, 10, 18)]),
            )
            for staff_id in ids
        ),
        spans=spans,
    )
