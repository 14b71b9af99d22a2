-- Grain: kpi × source record × period. The records behind every value; a view, because a record counts in fifteen
-- periods and needs to stand only once. Named without a database: the published file carries it under its own name.
{% set details = ref('int_record_details').include(database=false) %}
{% set team_paths = ref('int_team_paths').include(database=false) %}
with
counted as (
    select
        records.kpi,
        records.staff_id,
        records.client_id,
        records.event_date,
        months.period_grain,
        months.period_start,
        records.source_extract,
        records.source_id,
        records.numerator,
        records.denominator,
        records.state,
        records.due_date,
        records.done_date,
        records.amount
    from {{ ref('int_kpi_records').include(database=false) }} as records
    inner join {{ ref('int_period_months').include(database=false) }} as months
        on records.month_start = months.month_start

    union all

    select
        kpi,
        staff_id,
        client_id,
        event_date,
        period_grain,
        period_start,
        source_extract,
        source_id,
        numerator,
        denominator,
        state,
        due_date,
        done_date,
        amount
    from {{ ref('int_client_records').include(database=false) }}
)

select
    counted.kpi,
    counted.staff_id,
    counted.client_id,
    counted.event_date,
    counted.period_grain,
    counted.period_start,
    counted.source_extract,
    counted.source_id,
    {{ as_double('counted.numerator') }} as numerator,
    {{ as_double('counted.denominator') }} as denominator,
    details.record_name,
    details.client_name,
    counted.state,
    counted.due_date,
    counted.done_date,
    details.days_late,
    counted.amount,
    team_paths.team_path,
    details.file_name,
    details.line_number,
    details.kind,
    false as is_closed
from counted
left join {{ details }} as details
    on counted.source_extract = details.source_extract
    and counted.source_id = details.source_id
left join {{ team_paths }} as team_paths
    on counted.staff_id = team_paths.staff_id
    and counted.event_date between team_paths.valid_from and team_paths.valid_to

union all

-- A private KPI has one row for each value: no department, no reviewer, and nothing of its records.
select
    kpi,
    staff_id,
    cast(null as {{ dbt.type_string() }}) as client_id,
    cast(null as date) as event_date,
    period_grain,
    period_start,
    cast(null as {{ dbt.type_string() }}) as source_extract,
    cast(null as {{ dbt.type_string() }}) as source_id,
    numerator,
    denominator,
    cast(null as {{ dbt.type_string() }}) as record_name,
    cast(null as {{ dbt.type_string() }}) as client_name,
    cast(null as {{ dbt.type_string() }}) as state,
    cast(null as date) as due_date,
    cast(null as date) as done_date,
    cast(null as bigint) as days_late,
    {{ as_double('null') }} as amount,
    {{ no_texts() }} as team_path,
    cast(null as {{ dbt.type_string() }}) as file_name,
    cast(null as bigint) as line_number,
    cast(null as {{ dbt.type_string() }}) as kind,
    is_closed
from {{ ref('kpi_values').include(database=false) }}
where
    kpi in {{ text_list(private_kpis() or ['']) }} and scope = 'own'
    and (sample_size > 0 or null_reason = 'period_running')
