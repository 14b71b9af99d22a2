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
    assert names(is_sum) == ("client_revenue",)
    assert names(is_share) == (
        "client_retention_rate",
        "on_time_delivery_rate",
        "client_satisfaction",
        "contract_win_rate",
        "upsell_cross_sell_rate",
    )
    assert names(is_private) == ("internal_collaboration_score",)
    assert names(counts_opening_clients) == ("client_retention_rate", "upsell_cross_sell_rate")
    assert set(names()) - set(names(is_additive)) == {"internal_collaboration_score"}


def test_a_list_of_no_kpi_matches_no_name() -> None:
    assert listed(("a", "b")) == "'a', 'b'"
    assert listed(()) == "''"  # null would make `not in` match nothing either
