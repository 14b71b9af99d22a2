-- Grain: period_id × part × month_start. Fingerprints of all that the roll-up reads for a period: what was the same at
-- the last build gives the same rows, and need not be made again. Records stand by their month; what holds from day to
-- day (who is over whom, which days count, targets) as what holds on the opening day, and what begins or ends in each
-- month. The fingerprint of each period contains its people.
{% set of_all = ['int_subjects'] %}
{% set of_days = {
    'int_management_chain': {
        'from': 'valid_from', 'to': 'valid_to', 'content': ['staff_id', 'manager_id', 'is_account_staff', 'is_loop'],
    },
    'int_counted_spans': {'from': 'first_day', 'to': 'last_day', 'content': ['subject_id', 'role']},
    'int_targets': {
        'from': 'valid_from', 'to': 'valid_to',
        'content': ['kpi', 'scope', 'period_grain', 'staff_id', 'role', 'valid_from', 'target', 'weight'],
    },
} %}
{% set of_months = ['int_kpi_records', 'int_measure_records'] %}
{% set of_periods = ['int_client_records', 'int_periods'] %}
with reviews as (
    select
        *,
        {{ truncate_to('month', 'event_date') }} as month_start
    from {{ ref('kpi_internal_collaboration_score') }}
),

{% for model in of_all + (of_days | list) + of_months + of_periods %}
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

-- The days on which something begins, or holds no more. What lies after as_of touches no period.
edges as (
    {% for model, columns in of_days.items() %}
    {% for day, change in [(columns.from, 1), (days_after(1, columns.to), -1)] %}
    select
        '{{ model }}' as part,
        {{ day }} as day,
        {{ truncate_to('month', day) }} as month_start,
        {{ change }} as change,
        {{ hash_of(columns.content) }} as content
    from {{ model }}
    where {{ columns.from if change == 1 else columns.to }} {{ '<=' if change == 1 else '<' }} {{ as_of() }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

edges_by_month as (
    select
        part,
        month_start,
        {{ fingerprint('edges') }},
        sum(change) as still_held,
        bit_xor(content) as content_xor,
        sum(change * {{ widest_integer('content') }}) as content_sum
    from edges
    group by part, month_start
),

-- What began and has not ended before the period.
at_opening as (
    select
        periods.period_id,
        edges_by_month.part,
        cast(sum(edges_by_month.still_held) as bigint) as row_count,
        bit_xor(edges_by_month.content_xor) as hash_xor,
        sum(edges_by_month.content_sum) as hash_sum
    from int_periods as periods
    inner join edges_by_month
        on periods.period_start > edges_by_month.month_start
    group by periods.period_id, edges_by_month.part
),

by_month as (
    select
        part,
        month_start,
        row_count,
        hash_xor,
        hash_sum
    from edges_by_month

    union all

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
    period_id,
    part,
    cast(null as date) as month_start,
    row_count,
    hash_xor,
    hash_sum
from at_opening

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
