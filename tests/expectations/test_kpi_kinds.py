"""The expectations treat each KPI as the kind that the specification makes it."""

from __future__ import annotations

from amkpi.expectations.sql.kpis import (
    counts_opening_clients,
    is_additive,
    is_private,
    is_share,
    is_sum,
    listed,
    names,
)
from tests.oracle.contract import KPIS


def test_the_kinds_of_kpi_are_those_of_the_specification() -> None:
    """A KPI that an agency adds may be of any kind."""
    kinds = {
        is_sum: {"client_revenue"},
        is_share: {*KPIS} - {"client_revenue", "cost_to_budget_ratio", "internal_collaboration_score"},
        is_private: {"internal_collaboration_score"},
        counts_opening_clients: {"client_retention_rate", "upsell_cross_sell_rate"},
        is_additive: {*KPIS} - {"internal_collaboration_score"},
    }
    assert set(KPIS) <= set(names())
    for kind, expected in kinds.items():
        assert set(names(kind)) & set(KPIS) == expected, kind


def test_a_list_of_no_kpi_matches_no_name() -> None:
    assert listed(("a", "b")) == "'a', 'b'"
    assert listed(()) == "''"  # null would make `not in` match nothing either
