-- Every KPI of the catalogue has its records in the roll-up, and its months in the values: a row names a KPI that has
-- not. Records are counted in the KPI's own table, which is named by dbt's graph, so that no list can leave one out.
-- Only records of a month that has a row are compared with values: a due date may lie before the first month.
-- depends_on: {{ ref('int_kpi_records') }}
-- depends_on: {{ ref('int_client_records') }}
with days as (
    select
        period_id,
        period_start as month_start,
        is_provisional
    from {{ ref('int_periods') }}
    where period_grain = 'month'
),

own_tables as (
    {% for node in graph.nodes.values() if node.resource_type == 'model' and node.config.meta.get('kpi') %}
    {%- set kpi = node.config.meta['kpi'] %}
    {%- set groups = kpi.aggregation == 'mean_of_groups' %}
    select
        '{{ kpi.name }}' as kpi,
        {{ kpi.number }} as kpi_number,
        {{ groups }} as is_of_groups,
        count(*) as records,
        {% if groups %}
        count(case when not days.is_provisional then 1 end)
        {% else %}
        sum(case when days.month_start is not null then records.sample_size else 0 end)
        {% endif %} as samples
    from {{ node.relation_name }} as records
    left join days
        on {{ 'records.period_start' if kpi.timing == 'opening' else truncate_to('month', 'records.event_date') }}
        = days.month_start
        {% if kpi.timing == 'opening' %}and records.period_grain = 'month'{% endif %}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

rolled_up as (
    select
        kpi,
        count(*) as records
    from {{ ref('int_kpi_records') }}
    group by kpi

    union all

    select
        kpi,
        count(*) as records
    from {{ ref('int_client_records') }}
    group by kpi
),

company as (
    select
        kpi_values.kpi_number,
        sum(kpi_values.sample_size) as samples
    from {{ ref('int_kpi_values') }} as kpi_values
    inner join days
        on kpi_values.period_id = days.period_id
    inner join {{ ref('int_subjects') }} as subjects
        on kpi_values.subject_id = subjects.subject_id
    where subjects.scope = 'company'
    group by kpi_values.kpi_number
)

select
    own_tables.kpi,
    own_tables.records,
    rolled_up.records as records_rolled_up,
    own_tables.samples,
    company.samples as samples_in_values
from own_tables
left join rolled_up
    on own_tables.kpi = rolled_up.kpi
left join company
    on own_tables.kpi_number = company.kpi_number
where
    case
        -- Its sample counts reviewers, not reviews.
        when own_tables.is_of_groups then own_tables.samples > 0 and coalesce(company.samples, 0) = 0
        else
            own_tables.records <> coalesce(rolled_up.records, 0)
            or own_tables.samples <> coalesce(company.samples, 0)
    end
