-- Grain: kpi × level × code × period.
with catalogue as (
    select * from {{ ref('int_kpi_catalogue') }}
),

-- An agency's own value to the last bit where nothing has to be converted.
agency_values as (
    select
        agency_values.*,
        catalogue.unit,
        catalogue.aggregation,
        catalogue.is_of_amounts,
        agencies.currency as local_currency,
        catalogue.is_of_amounts and agencies.currency <> '{{ var("reporting_currency") }}' as is_converted,
        {{ as_double('coalesce(sums.numerator, 0)') }} as converted_numerator,
        {{ as_double('coalesce(sums.denominator, 0)') }} as converted_denominator
    from {{ source('sources', 'agency_values') }} as agency_values
    inner join catalogue
        on agency_values.kpi = catalogue.kpi
    inner join {{ source('sources', 'agencies') }} as agencies
        on agency_values.agency = agencies.agency
    left join {{ ref('int_agency_sums') }} as sums
        on agency_values.agency = sums.agency
        and agency_values.kpi = sums.kpi
        and agency_values.period_grain = sums.period_grain
        and agency_values.period_start = sums.period_start
)

select
    kpi,
    'agency' as level,
    agency as code,
    period_grain,
    period_start,
    period_end,
    case
        when not is_converted then value
        when value is null then null
        when aggregation = 'sum' then converted_numerator
        else converted_numerator / nullif(converted_denominator, 0)
    end as value,
    case when is_converted then converted_numerator else numerator end as numerator,
    case when is_converted and aggregation <> 'sum' then converted_denominator else denominator end as denominator,
    sample_size,
    unit,
    is_provisional,
    null_reason,
    undecided,
    cast(1 as bigint) as agencies,
    cast(1 as bigint) as agencies_counted,
    case when is_of_amounts then '{{ var("reporting_currency") }}' end as currency,
    case when is_of_amounts then local_currency end as local_currency,
    value as local_value,
    numerator as local_numerator,
    denominator as local_denominator,
    is_closed
from agency_values

union all

select
    catalogue.kpi,
    level_values.level,
    level_values.code,
    periods.period_grain,
    periods.period_start,
    periods.period_end,
    level_values.value,
    level_values.numerator,
    level_values.denominator,
    level_values.sample_size,
    catalogue.unit,
    periods.is_provisional,
    level_values.null_reason,
    level_values.undecided,
    level_values.agencies,
    level_values.agencies_counted,
    case when catalogue.is_of_amounts then '{{ var("reporting_currency") }}' end as currency,
    cast(null as {{ dbt.type_string() }}) as local_currency,
    {{ as_double('null') }} as local_value,
    {{ as_double('null') }} as local_numerator,
    {{ as_double('null') }} as local_denominator,
    level_values.is_closed
from {{ ref('int_level_values') }} as level_values
inner join catalogue
    on level_values.kpi_number = catalogue.kpi_number
inner join {{ ref('int_periods') }} as periods
    on level_values.period_id = periods.period_id
