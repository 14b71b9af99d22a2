-- The state of a project on the run's date; what is dated later has not happened. A project that was cancelled on or
-- before its due date is always cancelled, even if it was delivered: no KPI counts it. The relation has due_date,
-- delivered_date and cancelled_date.
{% macro project_state() -%}
case
    when cancelled_date <= {{ as_of() }} and cancelled_date <= due_date then 'cancelled'
    when delivered_date <= {{ as_of() }} and delivered_date <= due_date then 'delivered_on_time'
    when delivered_date <= {{ as_of() }} then 'delivered_late'
    when cancelled_date <= {{ as_of() }} then 'cancelled'
    when due_date <= {{ as_of() }} then 'overdue'
    else 'open'
end
{%- endmacro %}

-- The day on which a project reached that state; NULL while it is open or overdue.
{% macro project_done_date(state='state') -%}
case
    when {{ state }} in ('delivered_on_time', 'delivered_late') then delivered_date
    when {{ state }} = 'cancelled' then cancelled_date
end
{%- endmacro %}
