-- Grain: subject_id × period_id. The median of the days by which the late projects of a
-- period were late, and how many those are. By a count for each number of days, because rows a project, scope and
-- period would be fifteen times the projects for every manager over them.
with undone as (
    select
        due.staff_id,
        due.event_date,
        coalesce(finished.delivered_date, {{ as_of() }}) as done
    from {{ ref('kpi_on_time_delivery_rate') }} as due
    left join {{ ref('stg_projects') }} as finished
        on due.source_id = finished.project_id
        and finished.delivered_date <= {{ as_of() }}
    where due.numerator = 0
),

late as (
    select
        staff_id,
        event_date,
        {{ truncate_to('month', 'event_date') }} as month_start,
        {{ days_between('event_date', 'done') }} as days_late,
        1 as projects
    from undone
),

monthly as (
    select
        subject_id,
        month_start,
        days_late,
        projects
    from {{ over_scopes('late', ['month_start', 'days_late'], ['projects']) }} as scoped
),

counted as (
    select
        subject_id,
        period_id,
        days_late,
        projects
    from {{ roll_up_periods('monthly', ['days_late'], ['projects']) }} as periods
),

running as (
    select
        *,
        sum(projects) over (partition by subject_id, period_id order by days_late) as up_to_here,
        sum(projects) over (partition by subject_id, period_id) as late_projects
    from counted
)

-- The middle one, or the mean of the middle two.
select
    subject_id,
    period_id,
    max(late_projects) as late_projects,
    (
        min(case when 2 * up_to_here >= late_projects then days_late end)
        + min(case when 2 * up_to_here >= late_projects + 1 then days_late end)
    ) / 2.0 as days_late_median
from running
group by subject_id, period_id
