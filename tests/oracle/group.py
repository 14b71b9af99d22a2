"""An independent reference of the group's view: records of agencies in, the values of regions and the group out.

Plain sums of fractions over the evidence that the oracle gives for each agency. Correctness before speed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from .oracle import MartRow, Marts

MONEY = ("client_revenue", "cost_to_budget_ratio")
NO_DATA = {
    "client_retention_rate": "no_opening_clients",
    "on_time_delivery_rate": "nothing_due",
    "client_satisfaction": "no_responses",
    "contract_win_rate": "no_proposals",
    "upsell_cross_sell_rate": "no_opening_clients",
    "cost_to_budget_ratio": "nothing_delivered",
}
Key = tuple[str, str, str | None, str, date]  # kpi, level, code, grain, period_start


@dataclass(frozen=True)
class Member:
    """An agency of the group. rates: (from that day on, units of the group's currency for one of the agency's)."""

    code: str
    region: str
    as_of: date
    marts: Marts
    rates: Sequence[tuple[date, Fraction]] | None = None

    def rate(self, day: date) -> Fraction:
        """The rate that holds on a day; an agency in the currency of the group has none, and counts 1."""
        if self.rates is None:
            return Fraction(1)
        return max((each for each in self.rates if each[0] <= day), key=lambda each: each[0])[1]


@dataclass
class Sum:
    """What the records of a level add up to."""

    numerator: Fraction = Fraction(0)
    denominator: Fraction = Fraction(0)
    size: int = 0

    def add(self, record: MartRow, rate: Fraction) -> None:
        self.numerator += _exact(record["numerator"]) * rate
        self.denominator += _exact(record["denominator"]) * rate
        self.size += record["kpi"] != "client_revenue" or record["state"] == "signed"


def group_values(members: Sequence[Member]) -> dict[Key, MartRow]:
    """The values of agencies, regions and the group in the currency of the group."""
    common = min(member.as_of for member in members)
    sums: dict[Key, Sum] = defaultdict(Sum)
    rows: dict[Key, MartRow] = {}
    counted: dict[Key, int] = defaultdict(int)
    undecided: dict[Key, int] = defaultdict(int)
    for member in members:
        signed = {row["contract_id"]: row["signed_date"] for row in member.marts.contract_overview}
        for record in member.marts.kpi_evidence:
            if record["kpi"] == "internal_collaboration_score":
                continue
            day = record["event_date"]
            if record["kpi"] == "client_revenue":
                day = signed[record["source_id"]]
            assert isinstance(day, date)
            rate = member.rate(day) if record["kpi"] in MONEY else Fraction(1)
            for key in _keys(member, record):
                sums[key].add(record, rate)
        for value in member.marts.kpi_values:
            if value["scope"] != "company":
                continue
            for key in _keys(member, value):
                if key[1] == "agency":
                    rows[key] = value
                elif _has_begun(value, common):
                    rows[key] = {**value, "is_provisional": _day(value["period_end"]) > common}
                counted[key] += 1
                undecided[key] += int(str(value["undecided"]))
    return {key: _value(key, row, sums[key], counted[key], undecided[key]) for key, row in rows.items()}


def _keys(member: Member, row: Mapping[str, object]) -> list[Key]:
    kpi, grain, start = str(row["kpi"]), str(row["period_grain"]), _day(row["period_start"])
    return [
        (kpi, level, code, grain, start)
        for level, code in (("agency", member.code), ("region", member.region), ("group", None))
    ]


def _value(key: Key, row: MartRow, found: Sum, counted: int, undecided: int) -> MartRow:
    kpi, level, *_ = key
    shared = {"period_end": row["period_end"], "is_provisional": row["is_provisional"], "agencies_counted": counted}
    if kpi == "internal_collaboration_score":
        of_one = {name: row[name] for name in ("value", "numerator", "denominator", "sample_size", "null_reason")}
        nothing = {"value": None, "numerator": None, "denominator": None, "sample_size": 0,
                   "null_reason": "not_across_agencies"}  # fmt: skip
        return {**(of_one if level == "agency" else nothing), **shared, "undecided": 0}
    reason = None if kpi == "client_revenue" or found.denominator else NO_DATA[kpi]
    value = found.numerator if kpi == "client_revenue" else None
    if value is None and reason is None:
        value = found.numerator / found.denominator
    return {
        "value": None if value is None else float(value),
        "numerator": float(found.numerator),
        "denominator": None if kpi == "client_revenue" else float(found.denominator),
        "sample_size": found.size,
        "null_reason": reason,
        "undecided": undecided,
        **shared,
    }


def _has_begun(value: MartRow, common: date) -> bool:
    """Whether the period holds a month that has begun on the last common day; a trailing year its last month."""
    if value["period_grain"] == "trailing_12m":
        return _day(value["period_end"]).replace(day=1) <= common
    return _day(value["period_start"]) <= common


def _exact(number: object) -> Fraction:
    return Fraction(0) if number is None else Fraction(str(number))


def _day(value: object) -> date:
    assert isinstance(value, date)
    return value
