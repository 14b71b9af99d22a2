-- Grain: kpi × source record × period. The records behind every value; a view, because a record counts in fifteen
-- periods and needs to stand only once. Named without a database: the published file carries it under its own name.
{% set details = ref('int_record_details').include(database=false) %}
{% set team_paths = ref('int_team_paths').include(database=false) %}
with
{% for records in ['int_kpi_records', 'int_client_records'] %}
-- A record counts in many periods. Its names are looked up once, before it is repeated for each of them.
{{ records }}_described as (
    select
        records.*,
        details.record_name,
        details.client_name,
        details.days_late,
        details.file_name,
        details.line_number,
        details.kind,
        team_paths.team_path
    from {{ ref(records).include(database=false) }} as records
    left join {{ details }} as details
        on records.source_extract = details.source_extract
        and records.source_id = details.source_id
    left join {{ team_paths }} as team_paths
        on records.staff_id = team_paths.staff_id
        and records.event_date between team_paths.valid_from and team_paths.valid_to
){{ ',' if not loop.last }}

{% endfor %}
{% for records, periods in [('int_kpi_records', 'months'), ('int_client_records', 'records')] %}
select
    records.kpi,
    records.staff_id,
    records.client_id,
    records.event_date,
    {{ periods }}.period_grain,
    {{ periods }}.period_start,
    records.source_extract,
    records.source_id,
    {{ as_double('records.numerator') }} as numerator,
    {{ as_double('records.denominator') }} as denominator,
    records.record_name,
    records.client_name,
    records.state,
    records.due_date,
    records.done_date,
    records.days_late,
    records.amount,
    records.team_path,
    records.file_name,
    records.line_number,
    records.kind,
    false as is_closed
from {{ records }}_described as records
{% if periods == 'months' %}
inner join {{ ref('int_period_months').include(database=false) }} as months
    on records.month_start = months.month_start
{% endif %}

union all

{% endfor %}
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
