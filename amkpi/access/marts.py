"""Which rows of each mart a reader may see, and which of their cells, as the pages show them.

Exports that bring their own access control (PostgreSQL) make their rules from this. A mart that is not listed here is
for analysts alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

# Who sees a row of a mart. An analyst sees every row of every mart.
#   everyone      every reader
#   member        by `scope` and `staff_id`: Reader.may_read
#   record        by `staff_id`, who has the credit for it: Reader.may_read_record. In a mart with a column `kpi` a row
#                 of a private KPI is for who may read that person; who reads the company does not see it
#   client        by `client_id`: clients.readable_clients
#   whole_client  by `client_id`: clients.whole_clients, because the row has sums over every record of the client
#   person        by `staff_id`: Reader.may_name
#   data          who reads the pages on files, quarantine and audit
#   analyst       analysts alone
RowRule = Literal["everyone", "member", "record", "client", "whole_client", "person", "data", "analyst"]
# Who sees a cell of a row that is seen; for everybody else it is NULL.
#   named     the cell has a staff id, or a list of them: those of whom the reader may see the name
#   readable  who may read the numbers of the person in `staff_id`: a manager above is seen by name alone
#   analyst   analysts alone
CellRule = Literal["named", "readable", "analyst"]


@dataclass(frozen=True)
class MartRule:
    """Who sees what of one mart. cells: the columns of which not every reader of the row sees the cell."""

    rows: RowRule
    cells: Mapping[str, CellRule] = field(default_factory=dict)


_STAFF_ID: Mapping[str, CellRule] = {"staff_id": "named"}
# A person above is seen by name alone. manager_id of a person below may be somebody who has not started yet.
_OF_A_PERSON: Mapping[str, CellRule] = {
    "manager_id": "named",
    **dict.fromkeys(("role", "department", "email", "locale", "is_active", "valid_from"), "readable"),
}
FOR_ANALYSTS = MartRule("analyst")
RULES: Mapping[str, MartRule] = {
    "kpi_values": MartRule("member"),
    "kpi_evidence": MartRule("record", {**_STAFF_ID, "team_path": "named"}),
    "scorecards": MartRule("member"),
    "scorecard_lines": MartRule("member"),
    "supporting_measures": MartRule("member"),
    "dim_staff": MartRule("person", _OF_A_PERSON),
    "dim_client": MartRule("client", {"manager_id": "named"}),
    "client_overview": MartRule("whole_client", {"manager_id": "named"}),
    "contract_overview": MartRule("record", _STAFF_ID),
    "project_overview": MartRule("record", _STAFF_ID),
    "proposal_overview": MartRule("record", _STAFF_ID),
    "survey_overview": MartRule("record", _STAFF_ID),
    # The page on data shows where a row is held back, and not what is in it.
    "load_ledger": MartRule("data"),
    "quarantined_rows": MartRule("data", {"raw_row": "analyst"}),
    "quality_results": MartRule("data", {"rows_concerned": "analyst"}),
    # What was mailed to a person may be the company's figures.
    "scorecards_sent": FOR_ANALYSTS,
    "closings": MartRule("everyone"),
    "adjustments": MartRule("member"),
    "adjustment_evidence": MartRule("record", _STAFF_ID),
    "adjusted_scores": MartRule("member"),
    "restatements": MartRule("member"),
    "publication": MartRule("everyone"),
    "dim_kpi": MartRule("everyone"),
    "dim_period": MartRule("everyone"),
    "dim_date": MartRule("everyone"),
}


def rule_of(mart: str) -> MartRule:
    """The rule of a mart; for analysts alone where there is none."""
    return RULES.get(mart, FOR_ANALYSTS)
