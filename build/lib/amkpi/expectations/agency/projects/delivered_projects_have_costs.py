"""A project without costs is left out of the cost to budget ratio."""

from __future__ import annotations

from amkpi.core.settings import Settings
from amkpi.expectations.context import AuditContext
from amkpi.expectations.expectation import WARNING, FailingRowsExpectation
from amkpi.expectations.sql.projects import delivered_projects_lacking


class DeliveredProjectsHaveCosts(FailingRowsExpectation):
    """Of the recently delivered projects, at most the share `max_share_without_cost` has no costs.

    Not checked for an agency that has never delivered `project_costs`.
    """

    name = "delivered_projects_have_costs"
    table = "staging.stg_projects"
    column_name = "project_id"
    severity = WARNING
    singular, plural = "project", "projects"
    advice = (
        "Have the time sheets and invoices of these projects booked, and the costs delivered; no project is free. Until"
        " then they are left out of the cost to budget ratio. The setting max_share_without_cost says how many are"
        " accepted."
    )

    @classmethod
    def failing_rows(cls, settings: Settings, context: AuditContext) -> str:
        return delivered_projects_lacking(
            "costs.project_id is null",
            settings.audit.max_share_without_cost,
            settings,
            context,
            condition="exists (select 1 from staging.stg_project_costs)",
        )
