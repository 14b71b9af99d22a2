"""The eleven extracts as data: columns in the page's order, their types, keys, lists and references."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = ("new_business", "renewal", "upsell", "cross_sell")
OUTCOMES = ("open", "won", "lost", "withdrawn")
SCOPES = ("own", "team", "company")
GRAINS = ("month", "quarter", "year", "trailing_12m")
KPIS = (
    "client_revenue",
    "client_retention_rate",
    "on_time_delivery_rate",
    "client_satisfaction",
    "contract_win_rate",
    "upsell_cross_sell_rate",
    "cost_to_budget_ratio",
    "internal_collaboration_score",
)


@dataclass(frozen=True)
class Column:
    """One column: its type (text, date, number, bool, moment), whether required, whether of the key."""

    name: str
    type: str
    required: bool
    key: bool


def _columns(text: str) -> tuple[Column, ...]:
    """Columns from a compact text: `*` marks the key, `?` optional, `:d` date, `:n` number, `:b` bool."""
    types = {"": "text", "d": "date", "n": "number", "b": "bool", "t": "moment"}
    found = []
    for word in (text + " updated_at?:t is_deleted?:b").split():
        name, _, letter = word.partition(":")
        found.append(Column(name.strip("*?"), types[letter], "?" not in name, "*" in name))
    return tuple(found)


EXTRACTS: dict[str, tuple[Column, ...]] = {
    "clients": _columns("*client_id client_name industry?"),
    "proposals": _columns(
        "*proposal_id client_id owner_id? kind amount:n currency sent_date:d outcome decided_date?:d"
        " supersedes_proposal_id?"
    ),
    "contracts": _columns(
        "*contract_id client_id owner_id? proposal_id? kind signed_date:d start_date:d end_date:d amount:n"
        " currency cancelled_date?:d"
    ),
    "projects": _columns(
        "*project_id client_id owner_id? contract_id? project_name start_date:d committed_due_date:d"
        " agreed_due_date?:d agreed_on?:d delivered_date?:d cancelled_date?:d budget_amount?:n currency"
    ),
    "project_costs": _columns("*cost_id project_id cost_date:d department? amount:n currency"),
    "client_surveys": _columns(
        "*response_id client_id project_id? sent_date:d responded_date?:d score?:n scale_min:n scale_max:n comment?"
    ),
    "peer_reviews": _columns(
        "*review_id account_manager_id reviewer_id reviewer_department review_date:d teamwork_score?:n"
        " project_management_score?:n scale_min:n scale_max:n"
    ),
    "staff": _columns("*staff_id *valid_from:d full_name email? role department? manager_id? locale? is_active:b"),
    "client_assignments": _columns("*client_id *valid_from:d account_manager_id valid_to?:d"),
    "kpi_targets": _columns("*kpi *scope? *period_grain? *staff_id? *role? *valid_from:d target:n weight:n"),
    "fx_rates": _columns("*currency *rate_date:d rate:n"),
}

LISTS: dict[str, tuple[str, ...]] = {
    "kind": KINDS,
    "outcome": OUTCOMES,
    "kpi": KPIS,
    "scope": SCOPES,
    "period_grain": GRAINS,
}

NOT_NEGATIVE: dict[str, tuple[str, ...]] = {
    "proposals": ("amount",),
    "contracts": ("amount",),
    "projects": ("budget_amount",),
    "kpi_targets": ("weight",),
}

SCORES: dict[str, tuple[str, ...]] = {
    "client_surveys": ("score",),
    "peer_reviews": ("teamwork_score", "project_management_score"),
}

# extract -> (the column that breaks it when it is earlier, than this one)
DATE_ORDERS: dict[str, tuple[str, str]] = {
    "contracts": ("end_date", "start_date"),
    "projects": ("delivered_date", "start_date"),
    "client_surveys": ("responded_date", "sent_date"),
    "proposals": ("decided_date", "sent_date"),
    "client_assignments": ("valid_to", "valid_from"),
}

# (extract, column) -> the extract whose first key column it names
REFERENCES: dict[str, tuple[tuple[str, str], ...]] = {
    "proposals": (("client_id", "clients"), ("owner_id", "staff")),
    "contracts": (("client_id", "clients"), ("owner_id", "staff")),
    "projects": (("client_id", "clients"), ("owner_id", "staff")),
    "project_costs": (("project_id", "projects"),),
    "client_surveys": (("client_id", "clients"), ("project_id", "projects")),
    "peer_reviews": (("account_manager_id", "staff"),),
    "staff": (("manager_id", "staff"),),
    "client_assignments": (("client_id", "clients"), ("account_manager_id", "staff")),
    "kpi_targets": (("staff_id", "staff"),),
}

# extract -> the date at which its money is turned into the reporting currency
MONEY_DATES: dict[str, str] = {
    "contracts": "signed_date",
    "project_costs": "cost_date",
    "projects": "start_date",
}
