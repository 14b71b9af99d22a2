"""The eleven extracts, declared once: columns, types, keys and rules.

The tables, the row rules, the valid rows and the documentation are made from this module. Source: page `1-extracts` of
the specification.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from amkpi.core.catalogue import kpis

Family = Literal["contract", "project", "survey", "reference"]
Type = Literal["text", "date", "number", "boolean", "timestamp"]
# What a text may say of somebody: the name or address of a person, the name of a client, or anything.
Personal = Literal["person", "client", "free_text"]

KPIS = tuple(kpi.name for kpi in kpis())
KINDS = ("new_business", "renewal", "upsell", "cross_sell")
OUTCOMES = ("open", "won", "lost", "withdrawn")
SCOPES = ("own", "team", "company")
GRAINS = ("month", "quarter", "year", "trailing_12m")


@dataclass(frozen=True)
class Column:
    """One column of an extract.

    required: an empty cell quarantines the row; the column must be in the file. choices: the allowed values. currency:
    three capital letters. at_least, above: the lowest value (inclusive, exclusive). references: the extract whose first
    key column must have the value. default: the meaning of an empty cell. personal: what the text may say of somebody;
    `amkpi forget` replaces such texts.
    """

    name: str
    type: Type = "text"
    required: bool = False
    choices: tuple[str, ...] = ()
    currency: bool = False
    at_least: float | None = None
    above: float | None = None
    references: str | None = None
    default: str | None = None
    personal: Personal | None = None


@dataclass(frozen=True)
class Extract:
    """One extract.

    key: the columns that identify the thing that a row is about. needs: pairs of a column and the SQL condition (over
    clean text) under which it is required. checks_enum, checks_range: more pairs of a column and an SQL condition (over
    parsed columns) that is true for a bad row. date_order: pairs of a later and an earlier date column. fx_date: the
    column with the date at which the row's currency needs a rate; fx_when: the SQL condition under which it needs one.
    private: columns whose content is never published; private_rows: whether no content of a row is published.
    """

    name: str
    family: Family
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    needs: tuple[tuple[str, str], ...] = ()
    checks_enum: tuple[tuple[str, str], ...] = ()
    checks_range: tuple[tuple[str, str], ...] = ()
    date_order: tuple[tuple[str, str], ...] = ()
    fx_date: str | None = None
    fx_when: str = "true"
    private: tuple[str, ...] = ()
    private_rows: bool = False

    def column(self, name: str) -> Column:
        """The column of that name. Raises KeyError."""
        for column in self.all_columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.name} has no column {name}")

    @property
    def all_columns(self) -> tuple[Column, ...]:
        """The declared columns, then the two that every extract may have."""
        return (*self.columns, *COMMON)

    @property
    def personal(self) -> tuple[Column, ...]:
        """The columns whose texts may say something of a person or a client."""
        return tuple(column for column in self.columns if column.personal)

    @property
    def required(self) -> tuple[str, ...]:
        """The columns that a file must have."""
        return tuple(c.name for c in self.columns if c.required)


COMMON = (Column("updated_at", "timestamp"), Column("is_deleted", "boolean"))


def _text(
    name: str, *, required: bool = False, references: str | None = None, personal: Personal | None = None
) -> Column:
    return Column(name, required=required, references=references, personal=personal)


def _date(name: str, *, required: bool = False) -> Column:
    return Column(name, "date", required=required)


def _amount(name: str, *, required: bool = False, negative: bool = False) -> Column:
    return Column(name, "number", required=required, at_least=None if negative else 0)


def _number(name: str, *, required: bool = False) -> Column:
    return Column(name, "number", required=required)


_CURRENCY = Column("currency", required=True, currency=True)
_SCALE = (_number("scale_min", required=True), _number("scale_max", required=True))
_SCALE_RANGE = ("scale_min", "scale_min >= scale_max")


def _score_range(name: str) -> tuple[str, str]:
    return (name, f"{name} < scale_min or {name} > scale_max")


_EXTRACTS = (
    Extract(
        "clients",
        "contract",
        key=("client_id",),
        columns=(
            _text("client_id", required=True),
            _text("client_name", required=True, personal="client"),
            _text("industry"),
        ),
    ),
    Extract(
        "proposals",
        "contract",
        key=("proposal_id",),
        columns=(
            _text("proposal_id", required=True),
            _text("client_id", required=True, references="clients"),
            _text("owner_id", references="staff"),
            Column("kind", required=True, choices=KINDS),
            _amount("amount", required=True),
            _CURRENCY,
            _date("sent_date", required=True),
            Column("outcome", required=True, choices=OUTCOMES),
            _date("decided_date"),
            _text("supersedes_proposal_id"),
        ),
        needs=(("decided_date", "outcome in ('won', 'lost')"),),
        date_order=(("decided_date", "sent_date"),),
    ),
    Extract(
        "contracts",
        "contract",
        key=("contract_id",),
        columns=(
            _text("contract_id", required=True),
            _text("client_id", required=True, references="clients"),
            _text("owner_id", references="staff"),
            _text("proposal_id"),
            Column("kind", required=True, choices=KINDS),
            _date("signed_date", required=True),
            _date("start_date", required=True),
            _date("end_date", required=True),
            _amount("amount", required=True),
            _CURRENCY,
            _date("cancelled_date"),
        ),
        date_order=(("end_date", "start_date"),),
        fx_date="signed_date",
    ),
    Extract(
        "projects",
        "project",
        key=("project_id",),
        columns=(
            _text("project_id", required=True),
            _text("client_id", required=True, references="clients"),
            _text("owner_id", references="staff"),
            _text("contract_id"),
            _text("project_name", required=True, personal="client"),
            _date("start_date", required=True),
            _date("committed_due_date", required=True),
            _date("agreed_due_date"),
            _date("agreed_on"),
            _date("delivered_date"),
            _date("cancelled_date"),
            _amount("budget_amount"),
            _CURRENCY,
        ),
        date_order=(("delivered_date", "start_date"),),
        fx_date="start_date",
        fx_when="budget_amount is not null",
    ),
    Extract(
        "project_costs",
        "project",
        key=("cost_id",),
        columns=(
            _text("cost_id", required=True),
            _text("project_id", required=True, references="projects"),
            _date("cost_date", required=True),
            _text("department"),
            _amount("amount", required=True, negative=True),
            _CURRENCY,
        ),
        fx_date="cost_date",
    ),
    Extract(
        "client_surveys",
        "survey",
        key=("response_id",),
        columns=(
            _text("response_id", required=True),
            _text("client_id", required=True, references="clients"),
            _text("project_id", references="projects"),
            _date("sent_date", required=True),
            _date("responded_date"),
            _number("score"),
            *_SCALE,
            _text("comment", personal="free_text"),
        ),
        checks_range=(_score_range("score"), _SCALE_RANGE),
        date_order=(("responded_date", "sent_date"),),
        private=("comment",),
    ),
    Extract(
        "peer_reviews",
        "survey",
        key=("review_id",),
        columns=(
            _text("review_id", required=True),
            _text("account_manager_id", required=True, references="staff"),
            _text("reviewer_id", required=True),
            _text("reviewer_department", required=True),
            _date("review_date", required=True),
            _number("teamwork_score"),
            _number("project_management_score"),
            *_SCALE,
        ),
        checks_range=(_score_range("teamwork_score"), _score_range("project_management_score"), _SCALE_RANGE),
        private_rows=True,
    ),
    Extract(
        "staff",
        "reference",
        key=("staff_id", "valid_from"),
        columns=(
            _text("staff_id", required=True),
            _date("valid_from", required=True),
            _text("full_name", required=True, personal="person"),
            _text("email", personal="person"),
            _text("role", required=True),
            _text("department"),
            _text("manager_id", references="staff"),
            _text("locale"),
            Column("is_active", "boolean", required=True),
        ),
    ),
    Extract(
        "client_assignments",
        "reference",
        key=("client_id", "valid_from"),
        columns=(
            _text("client_id", required=True, references="clients"),
            _date("valid_from", required=True),
            _text("account_manager_id", required=True, references="staff"),
            _date("valid_to"),
        ),
        date_order=(("valid_to", "valid_from"),),
    ),
    Extract(
        "kpi_targets",
        "reference",
        key=("kpi", "scope", "period_grain", "staff_id", "role", "valid_from"),
        columns=(
            Column("kpi", required=True, choices=KPIS),
            Column("scope", choices=SCOPES, default="own"),
            Column("period_grain", choices=GRAINS),
            _text("staff_id", references="staff"),
            _text("role"),
            _date("valid_from", required=True),
            _number("target", required=True),
            Column("weight", "number", required=True, at_least=0),
        ),
        # own and team: exactly one of the two; company: neither.
        checks_enum=(
            (
                "staff_id",
                "(scope = 'company' and staff_id is not null)"
                " or (scope <> 'company' and (staff_id is null) = (role is null))",
            ),
            ("role", "scope = 'company' and role is not null"),
        ),
    ),
    Extract(
        "fx_rates",
        "reference",
        key=("currency", "rate_date"),
        columns=(
            _CURRENCY,
            _date("rate_date", required=True),
            Column("rate", "number", required=True, above=0),
        ),
    ),
)

EXTRACTS: dict[str, Extract] = {extract.name: extract for extract in _EXTRACTS}
FAMILIES: tuple[Family, ...] = ("contract", "project", "survey", "reference")

REASONS = (
    "malformed_row",
    "missing_required",
    "bad_type",
    "bad_enum",
    "out_of_range",
    "bad_date_order",
    "unknown_reference",
    "missing_fx_rate",
)
