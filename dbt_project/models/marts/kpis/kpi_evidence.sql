-- Grain: kpi × source record × period. The records behind every value; a view, because a record counts in fifteen
-- periods and needs to stand only once. Named without a database: the published file carries it under its own name.
select
    records.kpi,
    records.staff_id,
    records.client_id,
    records.event_date,
    months.period_grain,
    months.period_start,
    records.source_extract,
    records.source_id,
    {{ as_double('records.numerator') }} as numerator,
    {{ as_double('records.denominator') }} as denominator,
    false as is_closed
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
    {{ as_double('numerator') }} as numerator,
    {{ as_double('denominator') }} as denominator,
    false as is_closed
from {{ ref('int_client_records').include(database=false) }}

union all

-- A private KPI has one row for each value: no department, no reviewer.
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
    is_closed
from {{ ref('kpi_values').include(database=false) }}
where
    kpi in {{ text_list(private_kpis() or ['']) }} and scope = 'own'
    and (sample_size > 0 or null_reason = 'period_running')
