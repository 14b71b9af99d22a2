"""What targets by days turn on, added to a random agency: short leaves and roles, takeovers, rows at every level."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from .contract import GRAINS, KPIS

if TYPE_CHECKING:
    from .agencies import Maker

OTHER_KPIS = tuple(kpi for kpi in KPIS if kpi != "client_revenue")
TARGETS = {"client_revenue": ("310000", "7.7", "900000"), "internal_collaboration_score": ("60", "80.5", "95")}
RATIOS = ("0.3", "0.9", "1")


def add_edges_of_days(maker: Maker) -> None:
    """Give four people other days and roles for a while; and them, a stranger and the company rows at all levels."""
    # Not the first: whoever is moved comes under somebody who is under none of the others, so no loop begins.
    for person in maker.random.sample(maker.people[1:], 4):
        for _ in range(maker.random.choice([1, 2, 3])):
            _interrupt(maker, person, maker.past())
        _retarget(maker, person, sorted({row["role"] for row in _rows(maker, person)}))
    _retarget(maker, maker.random.choice(maker.others), ["account_manager"])
    _retarget(maker, maker.random.choice(["CEO", "D0"]), ["account_director"])
    for kpi in ("client_revenue", maker.random.choice(OTHER_KPIS)):
        for grain in ("", maker.random.choice(GRAINS)):
            _add_row(maker, kpi, "company", grain, "", "", maker.day(last=maker.as_of))


def _rows(maker: Maker, person: str) -> list[dict[str, str]]:
    rows = [row for row in maker.tables["staff"] if row["staff_id"] == person]
    return sorted(rows, key=lambda row: row["valid_from"])


def _interrupt(maker: Maker, person: str, first: date) -> None:
    """For one to forty days the person is away, at other work, in another role or in another team; then as before."""
    known = [row for row in _rows(maker, person) if row["valid_from"] <= first.isoformat()]
    back = first + timedelta(days=maker.random.choice([1, 2, 10, 40]))
    days = {row["valid_from"] for row in _rows(maker, person)}
    if not known or {first.isoformat(), back.isoformat()} & days:
        return
    before = known[-1]
    manager = before["manager_id"] or None
    active = before["is_active"] in ("true", "T", "Yes", "1")
    ways = {
        "leave": (before["role"], manager, False),
        "other work": ("strategist", manager, active),
        "promotion": ("group_account_director", manager, active),
        "takeover": (before["role"], maker.random.choice(["D0", "CEO"]), active),
    }
    role, other_manager, is_active = ways[maker.random.choice(sorted(ways))]
    maker.hire(person, first, role, other_manager, is_active)
    # Who comes back in another role has no target by the old one.
    maker.hire(person, back, before["role"] if maker.chance(0.8) else "account_manager", manager, active)


def _retarget(maker: Maker, person: str, roles: list[str]) -> None:
    """Rows for the person and the roles, for any grain and for one, which begin on any day of the history."""
    for kpi in ("client_revenue", maker.random.choice(OTHER_KPIS)):
        for scope in ("own", "team"):
            for staff_id, role in ((person, ""), *(("", role) for role in roles)):
                for grain in ("", maker.random.choice(GRAINS)):
                    for _ in range(maker.random.choice([0, 1, 1, 2])):
                        early = maker.begin - timedelta(days=450)
                        start = early if staff_id == "" and maker.chance(0.5) else maker.day(last=maker.as_of)
                        _add_row(maker, kpi, scope, grain, staff_id, role, start)


def _add_row(maker: Maker, kpi: str, scope: str, grain: str, staff_id: str, role: str, start: date) -> None:
    key = {"kpi": kpi, "period_grain": grain, "staff_id": staff_id, "role": role, "valid_from": start.isoformat()}
    for row in maker.tables["kpi_targets"]:
        if (row["scope"] or "own") == scope and all(row[name] == value for name, value in key.items()):
            return
    target = "0" if maker.chance(0.1) else maker.random.choice(TARGETS.get(kpi, RATIOS))
    maker.add("kpi_targets", **key, scope=scope, target=target, weight=maker.random.choice(["0", "0.1", "0.7", "3"]))
