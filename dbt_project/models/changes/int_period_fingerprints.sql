-- Grain: period_id × part × month_start, which only records by month have. Fingerprints of all that the roll-up reads
-- for a period: what was the same at the last build gives the same rows, and need not be made again. What holds for
-- all periods (people, management, targets) stands in each.
{% set of_all = ['int_subjects', 'int_staff_history', 'int_management_chain', 'int_targets'] %}
{% set of_months = ['int_kpi_records', 'int_measure_records'] %}
{% set of_periods = ['int_client_records', 'int_periods'] %}
with reviews as (
    select
        *,
        {{ truncate_to('month', 'event_date') }} as month_start
    from {{ ref('kpi_internal_collaboration_score') }}
),

{% for model in of_all + of_months + of_periods %}
{{ model }} as (
    select * from {{ ref(model) }}
),

{% endfor %}
whole as (
    {% for model in of_all %}
    select
        '{{ model }}' as part,
        {{ fingerprint(model) }}
    from {{ model }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

by_month as (
    {% for model in of_months %}
    select
        '{{ model }}' as part,
        month_start,
        {{ fingerprint(model) }}
    from {{ model }}
    group by month_start

    union all

    {% endfor %}
    select
        'kpi_internal_collaboration_score' as part,
        month_start,
        {{ fingerprint('reviews') }}
    from reviews
    group by month_start
),

by_period as (
    select
        'int_client_records' as part,
        period_grain,
        period_start,
        {{ fingerprint('int_client_records') }}
    from int_client_records
    group by period_grain, period_start
),

own as (
    select
        period_id,
        'int_periods' as part,
        {{ fingerprint('int_periods') }}
    from int_periods
    group by period_id
)

select
    period_id,
    part,
    cast(null as date) as month_start,
    row_count,
    hash_xor,
    hash_sum
from own

union all

select
    periods.period_id,
    whole.part,
    cast(null as date) as month_start,
    whole.row_count,
    whole.hash_xor,
    whole.hash_sum
from int_periods as periods
cross join whole

union all

select
    months.period_id,
    by_month.part,
    by_month.month_start,
    by_month.row_count,
    by_month.hash_xor,
    by_month.hash_sum
from {{ ref('int_period_months') }} as months
inner join by_month
    on months.month_start = by_month.month_start

union all

select
    periods.period_id,
    by_period.part,
    cast(null as date) as month_start,
    by_period.row_count,
    by_period.hash_xor,
    by_period.hash_sum
from int_periods as periods
inner join by_period
    on periods.period_grain = by_period.period_grain
    and periods.period_start = by_period.period_start
