-- Grain: source_extract × source_id. In which file, on which line of it, a record was delivered. Peer reviews are not
-- listed: the line of a review in a file would help to find out who wrote it.
{% set keys = {
    'clients': 'client_id',
    'proposals': 'proposal_id',
    'contracts': 'contract_id',
    'projects': 'project_id',
    'client_surveys': 'response_id',
} %}
{% for extract, key in keys.items() %}
select
    '{{ extract }}' as source_extract,
    delivered.{{ key }} as source_id,
    ledger.file_name,
    {{ native_line('delivered._line') }} as line_number
from {{ source('valid', extract) }} as delivered
inner join {{ source('raw', 'ledger') }} as ledger
    on delivered._delivery = ledger.delivery
{{ 'union all' if not loop.last }}
{% endfor %}
