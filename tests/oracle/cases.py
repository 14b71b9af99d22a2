"""Small agencies written by hand: a row is one line of text, an answer is one row of the marts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

from .oracle import Marts

HEADERS = {
    "clients": "client_id,client_name",
    "staff": "staff_id,valid_from,full_name,role,manager_id,is_active",
    "client_assignments": "client_id,valid_from,account_manager_id,valid_to",
    "contracts": "contract_id,client_id,owner_id,kind,signed_date,start_date,end_date,amount,currency,cancelled_date",
    "projects": "project_id,client_id,owner_id,project_name,start_date,committed_due_date,agreed_due_date,agreed_on,"
    "delivered_date,cancelled_date,budget_amount,currency",
    "project_costs": "cost_id,project_id,cost_date,amount,currency",
    "client_surveys": "response_id,client_id,project_id,sent_date,responded_date,score,scale_min,scale_max",
    "proposals": "proposal_id,client_id,owner_id,kind,amount,currency,sent_date,outcome,decided_date,"
    "supersedes_proposal_id",
    "peer_reviews": "review_id,account_manager_id,reviewer_id,reviewer_department,review_date,teamwork_score,"
    "project_management_score,scale_min,scale_max",
    "kpi_targets": "kpi,scope,period_grain,staff_id,role,valid_from,target,weight",
    "fx_rates": "currency,rate_date,rate",
}
PEOPLE = (
    "G,2025-01-01,G,group_account_director,,true",
    "D,2025-01-01,D,account_director,G,true",
    "A,2025-01-01,A,account_manager,D,true",
    "B,2025-01-01,B,account_manager,G,true",
)


def files(**rows: Iterable[str]) -> dict[str, bytes]:
    """One run: a file an extract, with the short headers above."""
    return {
        f"{extract}/{extract}.csv": "\n".join([HEADERS[extract], *lines, ""]).encode()
        for extract, lines in rows.items()
    }


def row(rows: Iterable[Mapping[str, object]], **wanted: object) -> Mapping[str, object]:
    """The one row that has these values."""
    found = [r for r in rows if all(r[name] == value for name, value in wanted.items())]
    assert len(found) == 1, (wanted, found)
    return found[0]


def month(marts: Marts, kpi: str, scope: str, person: str | None, start: date) -> tuple[object, ...]:
    """Value, numerator, denominator, sample_size and null_reason of a month's row."""
    names = ("value", "numerator", "denominator", "sample_size", "null_reason")
    wanted = {"kpi": kpi, "scope": scope, "staff_id": person, "period_grain": "month", "period_start": start}
    found = row(marts.kpi_values, **wanted)
    return tuple(found[name] for name in names)
