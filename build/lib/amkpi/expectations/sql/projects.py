"""SQL on delivered projects that two expectations share."""

from __future__ import annotations

from amkpi.core.settings import Settings
from amkpi.expectations.context import AuditContext


def delivered_projects_lacking(
    lacks: str, limit: float, settings: Settings, context: AuditContext, condition: str = "true"
) -> str:
    """SQL for the recently delivered projects that lack something, if they are more than a share of all.

    lacks: SQL on `projects` and `costs` that is true for such a project. limit: the share that is allowed, 0 to 1.
    condition: SQL that must be true for any of them to be reported.
    """
    as_of = f"date '{context.as_of}'"
    return f"""
        with delivered as (
            select
                projects.project_id,
                projects.project_name,
                projects.client_id,
                projects.delivered_date,
                {lacks} as is_lacking
            from {{batch}} as projects
            left join intermediate.int_project_costs as costs on projects.project_id = costs.project_id
            where projects.delivered_date > ({as_of} - {settings.audit.days}) and projects.delivered_date <= {as_of}
                and (projects.cancelled_date is null or projects.cancelled_date > {as_of})
        ),
        share as (
            select count(case when is_lacking then 1 end) as lacking, count(*) as of_all from delivered
        )
        select project_id || ' ' || project_name || ' of ' || client_id || ', delivered ' || delivered_date as what
        from delivered
        where is_lacking and {condition} and (select lacking > {limit} * of_all from share)
    """
