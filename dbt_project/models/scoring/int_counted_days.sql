-- Grain: subject_id × period_id × first_day. The days from period_start to close that count for everyone who has a row
-- in the period, as spans, with the role by which targets are looked up on them. Where no day counts (a late record of
-- somebody who left, the company) all of them do, and no role is asked. A view: spans are joined faster than read.
select
    people.subject_id,
    people.period_id,
    people.scope,
    people.person_key,
    people.period_grain,
    people.period_start,
    people.period_end,
    people.close_date,
    coalesce(spans.role, '') as role,
    coalesce({{ greatest_of('spans.first_day', 'people.period_start') }}, people.period_start) as first_day,
    coalesce({{ least_of('spans.last_day', 'people.close_date') }}, people.close_date) as last_day
from {{ ref('int_scope_members').include(database=false) }} as people
left join {{ ref('int_counted_spans').include(database=false) }} as spans
    on people.subject_id = spans.subject_id
    and people.close_date >= spans.first_day
    and people.period_start <= spans.last_day
