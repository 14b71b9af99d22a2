-- Grain: kpi × source_id × event_date. The records of the KPIs that count by a date of their own. A view: they stand in
-- the KPIs' own tables.
{% set dated = [
    'client_revenue', 'on_time_delivery_rate', 'client_satisfaction', 'contract_win_rate', 'cost_to_budget_ratio'
] %}
{% for kpi in dated %}
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
    undecided
from {{ ref('kpi_' ~ kpi) }}
{{ 'union all' if not loop.last }}
{% endfor %}
