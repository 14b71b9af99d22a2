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
    return kpi.aggregation == "sum"


def is_share(kpi: Kpi) -> bool:
    """Whether the value is a ratio of counts, so that it lies between 0 and 1."""
    return kpi.aggregation == "ratio_of_counts"


def is_additive(kpi: Kpi) -> bool:
    """Whether numerator and denominator are sums over records, so that the evidence adds up to the values."""
    return kpi.has_records


def counts_opening_clients(kpi: Kpi) -> bool:
    """Whether the records are the clients on an opening day; the records of other KPIs have dates of their own."""
    return kpi.timing == "opening"


def is_private(kpi: Kpi) -> bool:
    """Whether single records are shown nowhere."""
    return kpi.private
