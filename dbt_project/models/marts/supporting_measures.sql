-- Grain: measure × scope × person × period. Shown beside the eight KPIs, never scored.
with monthly as (
    select
        measure,
        scope,
        person_key,
        month_start,
        numerator,
        denominator
    from {{ over_scopes(
        ref('int_measure_records'), ['measure', 'month_start'], ['numerator', 'denominator']
    ) }} as scoped
),

sums as (
    select
        measure,
        scope,
        person_key,
        period_grain,
        period_start,
        numerator,
        denominator
    from {{ over_periods('monthly', ['measure'], ['numerator', 'denominator']) }} as periods
),

catalogue as (
    select * from {{ ref('int_measure_catalogue') }}
),

counted as (
    select
        catalogue.measure,
        catalogue.unit,
        catalogue.is_quotient,
        people.scope,
        people.person_key,
        people.period_grain,
        people.period_start,
        people.period_end,
        coalesce({{ as_double('sums.numerator') }}, 0) as counted_numerator,
        coalesce({{ as_double('sums.denominator') }}, 0) as counted_denominator
    from {{ ref('int_scope_people') }} as people
    cross join catalogue
    left join sums
        on catalogue.measure = sums.measure
        and people.scope = sums.scope
        and people.person_key = sums.person_key
        and people.period_grain = sums.period_grain
        and people.period_start = sums.period_start
    where catalogue.measure not in ('days_late_median', 'open_projects_over_budget')

    union all

    select
        catalogue.measure,
        catalogue.unit,
        catalogue.is_quotient,
        people.scope,
        people.person_key,
        people.period_grain,
        people.period_start,
        people.period_end,
        late.days_late_median as counted_numerator,
        coalesce({{ as_double('late.late_projects') }}, 0) as counted_denominator
    from {{ ref('int_scope_people') }} as people
    inner join catalogue
        on catalogue.measure = 'days_late_median'
    left join {{ ref('int_days_late') }} as late
        on people.scope = late.scope
        and people.person_key = late.person_key
        and people.period_grain = late.period_grain
        and people.period_start = late.period_start

    union all

    select
        catalogue.measure,
        catalogue.unit,
        catalogue.is_quotient,
        people.scope,
        people.person_key,
        people.period_grain,
        people.period_start,
        people.period_end,
        coalesce({{ as_double('over_budget.projects') }}, 0) as counted_numerator,
        0 as counted_denominator
    from {{ ref('int_scope_people') }} as people
    inner join catalogue
        on catalogue.measure = 'open_projects_over_budget'
    left join {{ ref('int_open_over_budget') }} as over_budget
        on people.scope = over_budget.scope
        and people.person_key = over_budget.person_key
        and people.close_date = over_budget.close_date
)

select
    measure,
    scope,
    nullif(person_key, '') as staff_id,
    period_grain,
    period_start,
    period_end,
    case
        when is_quotient then counted_numerator / nullif(counted_denominator, 0)
        else counted_numerator
    end as value,
    -- A median has no numerator; its denominator is how many projects it is of.
    case when measure <> 'days_late_median' then counted_numerator end as numerator,
    case when is_quotient or measure = 'days_late_median' then counted_denominator end as denominator,
    unit
from counted
