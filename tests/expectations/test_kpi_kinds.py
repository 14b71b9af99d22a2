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


def test_the_kinds_of_kpi_are_those_of_the_specification() -> None:
    """A KPI that an agency adds may be of any kind."""
    specified = (
        "client_revenue",
        "client_retention_rate",
        "on_time_delivery_rate",
        "client_satisfaction",
        "contract_win_rate",
        "upsell_cross_sell_rate",
        "cost_to_budget_ratio",
        "internal_collaboration_score",
    )
    kinds = {
        is_sum: {"client_revenue"},
        is_share: {*specified} - {"client_revenue", "cost_to_budget_ratio", "internal_collaboration_score"},
        is_private: {"internal_collaboration_score"},
        counts_opening_clients: {"client_retention_rate", "upsell_cross_sell_rate"},
        is_additive: {*specified} - {"internal_collaboration_score"},
    }
    assert set(specified) <= set(names())
    for kind, expected in kinds.items():
        assert set(names(kind)) & set(specified) == expected, kind


def test_a_list_of_no_kpi_matches_no_name() -> None:
    assert listed(("a", "b")) == "'a', 'b'"
    assert listed(()) == "''"  # null would make `not in` match nothing either
