"""The variables of the KPI page, with the page's defaults, exact."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Settings:
    """KPI variables; ratios and bounds are exact fractions of their decimal text."""

    reporting_currency: str = "VND"
    account_roles: frozenset[str] = frozenset(
        (
            "account_executive",
            "account_manager",
            "senior_account_manager",
            "account_director",
            "group_account_director",
        )
    )
    revenue_kinds: frozenset[str] = frozenset(("new_business", "upsell", "cross_sell"))
    retention_grace_days: int = 30
    csat_threshold: Fraction = Fraction(3, 4)
    min_raters: int = 3
    attainment_floor: Fraction = Fraction(0)
    attainment_cap: Fraction = Fraction(6, 5)
    rating_bands: tuple[tuple[str, Fraction], ...] = (
        ("A+", Fraction(110)),
        ("A", Fraction(95)),
        ("B", Fraction(80)),
        ("C", Fraction(65)),
    )
    lowest_rating: str = "D"
    min_weight_covered: Fraction = Fraction(7, 10)
    timezone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Asia/Ho_Chi_Minh"))


def exact(value: object) -> Fraction:
    """The fraction that a number's decimal text means (0.7 is 7/10, not its nearest double)."""
    if isinstance(value, Fraction):
        return value
    return Fraction(Decimal(str(value)))


def _names(value: object) -> frozenset[str]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise TypeError(f"a list of names is wanted, not {value!r}")
    return frozenset(str(name) for name in value)


def read_settings(variables: Mapping[str, object] | None) -> Settings:
    """Settings from overrides; raises KeyError on a name that the page does not know.

    `rating_bands` is a mapping label -> lower bound; a band of bound 0 (`D`) is the lowest rating.
    """
    known: dict[str, object] = dict(variables or {})
    default = Settings()
    bands = default.rating_bands
    lowest = default.lowest_rating
    if "rating_bands" in known:
        given = known.pop("rating_bands")
        if not isinstance(given, Mapping):
            raise TypeError("rating_bands: a mapping of label to lower bound is wanted")
        pairs = sorted(((str(k), exact(v)) for k, v in given.items()), key=lambda p: -p[1])
        bands = tuple(pair for pair in pairs if pair[1] > 0)
        lowest = next((label for label, bound in pairs if bound <= 0), lowest)
    settings = Settings(
        reporting_currency=str(known.pop("reporting_currency", default.reporting_currency)),
        account_roles=_names(known.pop("account_roles", default.account_roles)),
        revenue_kinds=_names(known.pop("revenue_kinds", default.revenue_kinds)),
        retention_grace_days=int(str(known.pop("retention_grace_days", 30))),
        csat_threshold=exact(known.pop("csat_threshold", default.csat_threshold)),
        min_raters=int(str(known.pop("min_raters", 3))),
        attainment_floor=exact(known.pop("attainment_floor", default.attainment_floor)),
        attainment_cap=exact(known.pop("attainment_cap", default.attainment_cap)),
        rating_bands=bands,
        lowest_rating=lowest,
        min_weight_covered=exact(known.pop("min_weight_covered", default.min_weight_covered)),
        timezone=ZoneInfo(str(known.pop("timezone", "Asia/Ho_Chi_Minh"))),
    )
    if known:
        raise KeyError(f"unknown variables: {sorted(known)}")
    return settings
