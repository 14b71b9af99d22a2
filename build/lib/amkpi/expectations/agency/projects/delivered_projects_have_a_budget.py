"""A project without a budget is left out of the cost to budget ratio."""

from __future__ import annotations

from amkpi.core.settings import Settings
from amkpi.expectations.context import AuditContext
from amkpi.expectations.expectation import WARNING, FailingRowsExpectation
from amkpi.expectations.sql.projects import delivered_projects_lacking


class DeliveredProjectsHaveABudget(FailingRowsExpectation):
    """Of the recently delivered projects, at most the share `max_share_without_budget` has no budget."""

    name = "delivered_projects_have_a_budget"
    table = "staging.stg_projects"
    column_name = "budget_amount"
    severity = WARNING
    singular, plural = "project", "projects"
    advice = (
        "Have the budgets entered in the project tool and the projects delivered again. Until then they are left out of"
        " the cost to budget ratio, which may look better or worse than it is. The setting max_share_without_budget"
        " says how many are accepted."
    )

    @classmethod
    def failing_rows(cls, settings: Settings, context: AuditContext) -> str:
        lacks = "coalesce(projects.budget_amount, 0) = 0"
        return delivered_projects_lacking(lacks, settings.audit.max_share_without_budget, settings, context)
