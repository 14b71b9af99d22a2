"""The KPIs by their kind, as lists for SQL: what a kind means is in `amkpi/core/catalogue.py`."""

from __future__ import annotations

from collections.abc import Callable

from amkpi.core.catalogue import Kpi, kpis
from amkpi.core.storage.sql import literal


def names(condition: Callable[[Kpi], bool] = lambda kpi: True) -> tuple[str, ...]:
    """The names of the KPIs that meet a condition, in the order of their numbers."""
    return tuple(kpi.name for kpi in kpis() if condition(kpi))


def listed(kpis: tuple[str, ...]) -> str:
    """Names for `in (…)` or `not in (…)`. Without a name, the empty text, which no KPI has."""
    return ", ".join(literal(kpi) for kpi in kpis) or "''"


def is_sum(kpi: Kpi) -> bool:
    """Whether the value is a sum over records, without a denominator."""
    return kpi.name == "client_revenue"


def is_share(kpi: Kpi) -> bool:
    """Whether the value is a ratio of counts, so that it lies between 0 and 1."""
    return kpi.unit == "ratio" and kpi.name != "cost_to_budget_ratio"


def is_additive(kpi: Kpi) -> bool:
    """Whether numerator and denominator are sums over records, so that the evidence adds up to the values."""
    return kpi.unit != "score"


def counts_opening_clients(kpi: Kpi) -> bool:
    """Whether the records are the clients on an opening day; the records of other KPIs have dates of their own."""
    return kpi.name in ("client_retention_rate", "upsell_cross_sell_rate")


def is_private(kpi: Kpi) -> bool:
    """Whether single records are shown nowhere."""
    return kpi.name == "internal_collaboration_score"
