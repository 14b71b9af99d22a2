-- Grain: response_id.
select
    'client_surveys' as source_extract,
    response_id as source_id,
    client_id,
    staff_id,
    responded_date as event_date,
    {{ exact('case when satisfaction >= ' ~ exact(var('csat_threshold')) ~ ' then 1 else 0 end') }} as numerator,
    {{ exact('1') }} as denominator,
    1 as sample_size,
    0 as undecided,
    case when satisfaction >= {{ exact(var('csat_threshold')) }} then 'satisfied' else 'not_satisfied' end as state,
    {{ as_double('null') }} as amount,
    cast(null as date) as due_date,
    responded_date as done_date
from {{ ref('int_surveys') }}
where satisfaction is not null
