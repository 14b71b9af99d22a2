-- Grain: kpi × source_id × event_date. The records of the KPIs that count by a date of their own. A view: the rows are
-- stored in the KPIs' own tables.
{% for kpi in kpis_of_records('event') %}
select
    '{{ kpi }}' as kpi,
    source_extract,
    source_id,
    client_id,
    staff_id,
    event_date,
    {{ truncate_to('month', 'event_date') }} as month_start,
    numerator,
    denominator,
    sample_size,
    undecided,
    state,
    amount,
    due_date,
    done_date
from {{ ref('kpi_' ~ kpi) }}
{{ 'union all' if not loop.last }}
{% else %}
{{ no_kpi_records() }}
{% endfor %}
