-- Grain: kpi_number × subject_id × period_id. Every KPI of the regions and of the group, from the records of their
-- agencies. How many records a value has is added up from the agencies: no record belongs to two of them.
with catalogue as (
    select * from {{ ref('int_kpi_catalogue') }}
),

counted as (
    select
        catalogue.kpi_number,
        levels.subject_id,
        levels.level,
        levels.code,
        periods.period_id,
        sum(sums.numerator) as numerator,
        sum(sums.denominator) as denominator,
        sum(agency_values.sample_size) as sample_size,
        sum(agency_values.undecided) as undecided,
        count(*) as agencies_counted,
        min(case when agency_values.is_closed then 1 else 0 end) = 1 as is_closed
    from {{ source('sources', 'agency_values') }} as agency_values
    inner join catalogue
        on agency_values.kpi = catalogue.kpi
    inner join {{ ref('int_levels') }} as levels
        on agency_values.agency = levels.agency
    inner join {{ ref('int_periods') }} as periods
        on agency_values.period_grain = periods.period_grain
        and agency_values.period_start = periods.period_start
    left join {{ ref('int_agency_sums') }} as sums
        on agency_values.agency = sums.agency
        and agency_values.kpi = sums.kpi
        and agency_values.period_grain = sums.period_grain
        and agency_values.period_start = sums.period_start
    group by catalogue.kpi_number, levels.subject_id, levels.level, levels.code, periods.period_id
),

level_sizes as (
    select
        subject_id,
        count(*) as agencies
    from {{ ref('int_levels') }}
    group by subject_id
),

reasoned as (
    select
        counted.*,
        level_sizes.agencies,
        catalogue.aggregation = 'sum' as is_sum,
        catalogue.is_private,
        case
            -- Reviews are compared within one agency alone.
            when catalogue.is_private then 'not_across_agencies'
            when catalogue.aggregation <> 'sum' and coalesce(counted.denominator, 0) = 0 then catalogue.no_data_reason
        end as null_reason,
        {{ as_double('coalesce(counted.numerator, 0)') }} as counted_numerator,
        {{ as_double('coalesce(counted.denominator, 0)') }} as counted_denominator
    from counted
    inner join catalogue
        on counted.kpi_number = catalogue.kpi_number
    inner join level_sizes
        on counted.subject_id = level_sizes.subject_id
)

select
    kpi_number,
    subject_id,
    level,
    code,
    period_id,
    case
        when null_reason is not null then null
        when is_sum then counted_numerator
        else counted_numerator / nullif(counted_denominator, 0)
    end as value,
    case when not is_private then counted_numerator end as numerator,
    case when not is_sum and not is_private then counted_denominator end as denominator,
    cast(case when is_private then 0 else sample_size end as bigint) as sample_size,
    null_reason,
    cast(undecided as bigint) as undecided,
    agencies,
    agencies_counted,
    is_closed
from reasoned
