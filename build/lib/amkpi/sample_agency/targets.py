"""The targets of the sample agency: own by role and person, team by role, and company; some by grain."""

from datetime import date

from amkpi.sample_agency.people import DIRECTOR, EXECUTIVE, GROUP_DIRECTOR, MANAGER, SENIOR_MANAGER, Org
from amkpi.sample_agency.timeline import Day, Window, iso, month_at

# Some ratios have other values over a longer period: of the clients at the start of a year fewer stay than of those at
# the start of a month, and more of them have bought again. For month, quarter, and year with trailing_12m.
_BY_GRAIN = {
    "client_retention_rate": (0.98, 0.95, 0.85),
    "upsell_cross_sell_rate": (0.07, 0.2, 0.6),
}
_ANY_GRAIN = {
    "on_time_delivery_rate": 0.85,
    "client_satisfaction": 0.82,
    "contract_win_rate": 0.45,
    "cost_to_budget_ratio": 0.95,
    "internal_collaboration_score": 75.0,
}
_WEIGHTS = {
    "client_revenue": 20,
    "client_retention_rate": 20,
    "on_time_delivery_rate": 15,
    "client_satisfaction": 15,
    "contract_win_rate": 10,
    "upsell_cross_sell_rate": 5,
    "cost_to_budget_ratio": 10,
    "internal_collaboration_score": 5,
}
# Executives have few own clients and are measured by their projects. Directors are measured by their teams; their own
# scorecard has few clients, and the reviews of other departments.
_ROLE_WEIGHTS = {
    EXECUTIVE: {
        "client_revenue": 10,
        "on_time_delivery_rate": 30,
        "client_satisfaction": 25,
        "cost_to_budget_ratio": 20,
        "internal_collaboration_score": 15,
    },
    DIRECTOR: {"client_retention_rate": 15, "client_satisfaction": 15, "internal_collaboration_score": 70},
    GROUP_DIRECTOR: {"client_retention_rate": 15, "client_satisfaction": 15, "internal_collaboration_score": 70},
}
# VND a month.
_OWN_REVENUE = {EXECUTIVE: 10e6, MANAGER: 80e6, SENIOR_MANAGER: 95e6, DIRECTOR: 0.0, GROUP_DIRECTOR: 0.0}
_TEAM_REVENUE = {MANAGER: 110e6, SENIOR_MANAGER: 130e6, DIRECTOR: 430e6, GROUP_DIRECTOR: 1_250e6}
_COMPANY_REVENUE = 1_250e6
# Sales are not even over a year: a target of the grain replaces the sum of the monthly targets.
_REVENUE_BY_GRAIN = {("own", MANAGER): {"month": 60e6}, ("company", ""): {"year": 15_000e6}}
_RAISE = 1.08
_GRAINS = (("month", 0), ("quarter", 1), ("year", 2), ("trailing_12m", 2))

Row = tuple[str, ...]


def target_rows(org: Org, window: Window, scale: float) -> list[Row]:
    """The extract `kpi_targets`. Targets begin with the first month; each January those of revenue rise."""
    rows: list[Row] = []
    for role, revenue in _OWN_REVENUE.items():
        rows += _set(window, "own", role, revenue, _ROLE_WEIGHTS.get(role, _WEIGHTS), 1.0)
    for role, revenue in _TEAM_REVENUE.items():
        rows += _set(window, "team", role, revenue, _WEIGHTS, 1.0)
    rows += _set(window, "company", "", _COMPANY_REVENUE, _WEIGHTS, scale)
    rows += _personal(org, window)
    return rows


def _personal(org: Org, window: Window) -> list[Row]:
    """Targets of single people: the star manager's are higher, the newcomer's revenue is lower."""
    cast = org.cast
    first = iso(window.first)
    rows = [
        _row("client_revenue", "own", "", cast.managers[0], "", first, 110e6, 25),
        _row("client_satisfaction", "own", "", cast.managers[0], "", first, 0.9, 15),
    ]
    if cast.new_hire and org.stories.new_hire <= window.as_of:
        rows.append(_row("client_revenue", "own", "", cast.new_hire, "", iso(org.stories.new_hire), 30e6, 10))
    return rows


def _set(window: Window, scope: str, role: str, revenue: float, weights: dict[str, int], scale: float) -> list[Row]:
    """All targets of a scope and role; `revenue` is VND a month at `scale` 1."""
    rows: list[Row] = []
    first = iso(window.first)
    for kpi, weight in weights.items():
        if kpi == "client_revenue":
            for grain, amount in {"": revenue, **_REVENUE_BY_GRAIN.get((scope, role), {})}.items():
                for years, day in enumerate([window.first, *_januaries(window)]):
                    target = amount * scale * _RAISE**years
                    rows.append(_row(kpi, scope, grain, "", role, iso(day), target, weight))
        elif kpi in _BY_GRAIN:
            rows += [
                _row(kpi, scope, grain, "", role, first, _BY_GRAIN[kpi][length], weight) for grain, length in _GRAINS
            ]
        else:
            rows.append(_row(kpi, scope, "", "", role, first, _ANY_GRAIN[kpi], weight))
    return rows


def _januaries(window: Window) -> list[Day]:
    first, last = month_at(window.first_month).year, month_at(window.last_month).year
    return [date(year, 1, 1).toordinal() for year in range(first + 1, last + 1)]


def _row(
    kpi: str, scope: str, grain: str, staff_id: str, role: str, valid_from: str, target: float, weight: int
) -> Row:
    amount = str(round(target / 1e6) * 1_000_000) if kpi == "client_revenue" else f"{target:g}"
    return (kpi, scope, grain, staff_id, role, valid_from, amount, str(weight))
