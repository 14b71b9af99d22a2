"""The targets of the sample agency: own by role and person, team by role, and company; some by grain."""

from datetime import date

from amkpi.core.catalogue import Kpi, kpi_named, kpis
from amkpi.sample_agency.people import DIRECTOR, EXECUTIVE, GROUP_DIRECTOR, MANAGER, SENIOR_MANAGER, Org
from amkpi.sample_agency.timeline import Day, Window, iso, month_at

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
# Amounts (the KPIs whose targets add up over days) as multiples of the example target, which is that of a manager.
_OWN_AMOUNTS = {EXECUTIVE: 0.125, MANAGER: 1.0, SENIOR_MANAGER: 1.1875, DIRECTOR: 0.0, GROUP_DIRECTOR: 0.0}
_TEAM_AMOUNTS = {MANAGER: 1.375, SENIOR_MANAGER: 1.625, DIRECTOR: 5.375, GROUP_DIRECTOR: 15.625}
_COMPANY_AMOUNT = 15.625
# Sales are not even over a year: a target of the grain replaces the sum of the monthly targets.
_AMOUNTS_BY_GRAIN = {("own", MANAGER): {"month": 0.75}, ("company", ""): {"year": 187.5}}
_RAISE = 1.08
_LENGTHS = {"month": "month", "quarter": "quarter", "year": "year", "trailing_12m": "year"}

Row = tuple[str, ...]


def target_rows(org: Org, window: Window, scale: float) -> list[Row]:
    """The extract `kpi_targets`. Targets begin with the first month; each January those of amounts rise."""
    rows: list[Row] = []
    for role, amount in _OWN_AMOUNTS.items():
        rows += _set(window, "own", role, amount, _weights(role))
    for role, amount in _TEAM_AMOUNTS.items():
        rows += _set(window, "team", role, amount, _weights())
    rows += _set(window, "company", "", _COMPANY_AMOUNT * scale, _weights(), scale)
    rows += _personal(org, window)
    return rows


def _weights(role: str = "") -> list[tuple[Kpi, float]]:
    """The KPIs that the role is measured by, each with its weight."""
    own = _ROLE_WEIGHTS.get(role, {kpi.name: kpi.example_target.weight for kpi in kpis()})
    return [(kpi, own[kpi.name]) for kpi in kpis() if kpi.name in own]


def _personal(org: Org, window: Window) -> list[Row]:
    """Targets of single people: the star manager's are higher, the newcomer's revenue is lower."""
    cast = org.cast
    first = iso(window.first)
    revenue = kpi_named("client_revenue")
    rows = [
        _row(revenue, "own", "", cast.managers[0], "", first, 110e6, 25),
        _row(kpi_named("client_satisfaction"), "own", "", cast.managers[0], "", first, 0.9, 15),
    ]
    if cast.new_hire and org.stories.new_hire <= window.as_of:
        rows.append(_row(revenue, "own", "", cast.new_hire, "", iso(org.stories.new_hire), 30e6, 10))
    return rows


def _set(
    window: Window, scope: str, role: str, amount: float, weights: list[tuple[Kpi, float]], scale: float = 1.0
) -> list[Row]:
    """All targets of a scope and role. amount: the multiple of a manager's target where targets are amounts."""
    rows: list[Row] = []
    first = iso(window.first)
    for kpi, weight in weights:
        example = kpi.example_target
        if kpi.target_growth == "sum_of_days":
            by_grain = _AMOUNTS_BY_GRAIN.get((scope, role), {})
            for grain, multiple in {"": amount, **{grain: each * scale for grain, each in by_grain.items()}}.items():
                for years, day in enumerate([window.first, *_januaries(window)]):
                    target = (example.any or 0.0) * multiple * _RAISE**years
                    rows.append(_row(kpi, scope, grain, "", role, iso(day), target, weight))
        elif example.any is None:
            rows += [
                _row(kpi, scope, grain, "", role, first, getattr(example, length), weight)
                for grain, length in _LENGTHS.items()
            ]
        else:
            rows.append(_row(kpi, scope, "", "", role, first, example.any, weight))
    return rows


def _januaries(window: Window) -> list[Day]:
    first, last = month_at(window.first_month).year, month_at(window.last_month).year
    return [date(year, 1, 1).toordinal() for year in range(first + 1, last + 1)]


def _row(
    kpi: Kpi, scope: str, grain: str, staff_id: str, role: str, valid_from: str, target: float, weight: float
) -> Row:
    amount = str(round(target / 1e6) * 1_000_000) if kpi.unit == "money" else f"{target:g}"
    return (kpi.name, scope, grain, staff_id, role, valid_from, amount, f"{weight:g}")
