-- Grain: kpi_number × subject_id × period_id × first_day. How the target of each line came about: the days that count,
-- as spans on which one row of the targets is in force, or none. A view, for who asks about one line.
with counted_days as (
    select * from {{ ref('int_counted_days').include(database=false) }}
),

in_force as (
    select * from {{ targets_in_force('counted_days') }} as found
),

-- Days without a row are the first of a counted span: a row that has begun is followed by others, or holds on.
begun as (
    select
        kpi_number,
        subject_id,
        period_id,
        span_start,
        min(first_day) as first_day
    from in_force
    group by kpi_number, subject_id, period_id, span_start
),

without_row as (
    select
        catalogue.kpi_number,
        counted_days.subject_id,
        counted_days.period_id,
        counted_days.first_day,
        coalesce({{ days_after(-1, 'begun.first_day') }}, counted_days.last_day) as last_day
    from counted_days
    cross join {{ ref('int_kpi_catalogue').include(database=false) }} as catalogue
    left join begun
        on catalogue.kpi_number = begun.kpi_number
        and counted_days.subject_id = begun.subject_id
        and counted_days.period_id = begun.period_id
        and counted_days.first_day = begun.span_start
    where begun.first_day is null or begun.first_day > counted_days.first_day
)

select
    kpi_number,
    subject_id,
    period_id,
    first_day,
    last_day,
    {{ days_from_to('first_day', 'last_day') }} as days,
    unit_days,
    target_grain,
    target_staff_id,
    target_role,
    valid_from,
    target,
    weight
from in_force

union all

select
    kpi_number,
    subject_id,
    period_id,
    first_day,
    last_day,
    {{ days_from_to('first_day', 'last_day') }} as days,
    cast(null as bigint) as unit_days,
    cast(null as {{ dbt.type_string() }}) as target_grain,
    cast(null as {{ dbt.type_string() }}) as target_staff_id,
    cast(null as {{ dbt.type_string() }}) as target_role,
    cast(null as date) as valid_from,
    cast(null as double) as target,
    cast(null as double) as weight
from without_row
