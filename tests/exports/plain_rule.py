"""What each reader sees of each mart, in plain Python: the rule of the pages, without the code of rights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from amkpi.access.names import Names
from tests.access.test_reader import is_above, is_here, leads

Row = dict[str, Any]
BY_SCOPE = ("kpi_values", "scorecards", "scorecard_lines", "supporting_measures", "adjustments", "adjusted_scores",
            "restatements")  # fmt: skip
OVERVIEWS = ("contract_overview", "project_overview", "proposal_overview", "survey_overview")
EVIDENCE = ("kpi_evidence", "adjustment_evidence")
DATA = ("load_ledger", "quarantined_rows", "quality_results")
EVERYONE = ("closings", "publication", "dim_kpi", "dim_period", "dim_date")


@dataclass(frozen=True)
class PlainReader:
    """Who reads. staff_id: None for an address that is no employee's."""

    staff_id: str | None
    names: Names
    leadership: tuple[str, ...] = ()
    analyst: bool = False
    operator: bool = False

    def own(self, other: str | None) -> bool:
        if other is None or self.staff_id is None:
            return False
        if other == self.staff_id:
            return True
        return is_here(self.names, other) and is_above(self.names, self.staff_id, other)

    def team(self, other: str | None) -> bool:
        return other is not None and (other == self.staff_id or (self.own(other) and leads(self.names, other)))

    def named(self, other: str | None) -> bool:
        if other is None or self.staff_id is None:
            return False
        return self.own(other) or (is_here(self.names, other) and is_above(self.names, other, self.staff_id))

    @property
    def company(self) -> bool:
        if self.staff_id is None:
            return False
        return self.names.people[self.staff_id].role == "group_account_director" or self.staff_id in self.leadership

    def sees(self, marts: Mapping[str, list[Row]], mart: str) -> list[Row]:
        """The rows and cells of a mart."""
        if self.analyst:
            return marts[mart]
        return [self._cells(mart, row) for row in marts[mart] if self._row(marts, mart, row)]

    def _row(self, marts: Mapping[str, list[Row]], mart: str, row: Row) -> bool:
        if mart in BY_SCOPE:
            return {
                "own": self.own(row["staff_id"]),
                "team": self.team(row["staff_id"]),
                "company": row["staff_id"] is None and self.company,
            }[row["scope"]]
        if mart in EVIDENCE and row["kpi"] == "internal_collaboration_score":
            return self.own(row["staff_id"])
        if mart in (*EVIDENCE, *OVERVIEWS):
            return self.company or self.own(row["staff_id"])
        if mart == "dim_staff":
            return self.named(row["staff_id"])
        if mart in ("dim_client", "client_overview"):
            credited = _credited(marts, row["client_id"])
            some = self.own(row["manager_id"]) or any(map(self.own, credited))
            whole = mart == "dim_client" or all(map(self.own, credited))
            return self.company or (some and whole)
        if mart in DATA:
            return self.operator
        return mart in EVERYONE

    def _cells(self, mart: str, row: Row) -> Row:
        seen = dict(row)
        if mart in (*EVIDENCE, *OVERVIEWS) and not self.named(row["staff_id"]):
            seen["staff_id"] = None
        if "team_path" in row and row["team_path"] is not None:
            seen["team_path"] = [each for each in row["team_path"] if self.named(each)] or None
        if mart in ("dim_staff", "dim_client", "client_overview") and not self.named(row["manager_id"]):
            seen["manager_id"] = None
        if mart == "dim_staff" and not self.own(row["staff_id"]):
            seen = {name: seen[name] if name in ("staff_id", "full_name") else None for name in seen}
            seen["manager_id"] = row["manager_id"] if self.named(row["manager_id"]) else None
        for column in {"quarantined_rows": ["raw_row"], "quality_results": ["rows_concerned"]}.get(mart, ()):
            seen[column] = None
        return seen


def _credited(marts: Mapping[str, list[Row]], client_id: str) -> set[str | None]:
    found = {row["staff_id"] for table in OVERVIEWS for row in marts[table] if row["client_id"] == client_id}
    return found | {
        row["staff_id"]
        for row in marts["kpi_evidence"]
        if row["client_id"] == client_id and row["period_grain"] == "month"
    }
