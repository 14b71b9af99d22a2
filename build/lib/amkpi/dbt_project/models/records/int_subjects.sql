-- Grain: scope × person_key ('' for the company). Whose KPIs there can be: everyone in the staff history and whoever
-- has the credit for a record, as themself; everyone over somebody, as a team; the company. The number stands for scope
-- and person in every join after this: by the texts, joins took twice as long.
with people as (
    select staff_id from {{ ref('stg_staff') }}
    union
    select staff_id from {{ ref('int_kpi_records') }}
    union
    select staff_id from {{ ref('int_client_records') }}
    union
    select staff_id from {{ ref('kpi_internal_collaboration_score') }}
),

subjects as (
    select
        'own' as scope,
        staff_id as person_key
    from people
    where staff_id is not null

    union all

    select distinct
        'team' as scope,
        manager_id as person_key
    from {{ ref('int_management_chain') }}
    where not is_loop

    union all

    select
        'company' as scope,
        '' as person_key
)

select
    cast(row_number() over (order by scope, person_key) as integer) as subject_id,
    scope,
    person_key
from subjects
