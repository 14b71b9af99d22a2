-- Grain: kpi × period_grain × period_start × client_id. The records of the KPIs that count the clients of an opening
-- day. A view: the rows are stored in the KPIs' own tables.
{% for kpi in kpis_of_records('opening') %}
select
    '{{ kpi }}' as kpi,
    period_grain,
    period_start,
    source_extract,
    source_id,
    client_id,
    staff_id,
    event_date,
    numerator,
    denominator,
    sample_size,
    state,
    amount,
    due_date,
    done_date
from {{ ref('kpi_' ~ kpi) }}
{{ 'union all' if not loop.last }}
{% else %}
{{ no_kpi_records() }}
{% endfor %}
