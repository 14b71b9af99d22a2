-- Grain: source_extract × source_id × valid_from. Who has the credit for a record that counts on a day. An owner has it
-- on every day; without an owner it is the client's manager. `credit_date` is the day that decides who has the credit
-- (the signing of a contract, the sending of a survey). If it is empty, the day on which the record counts decides. A
-- view: a filter on source_extract reads one extract only.
with contracts as (
    select * from {{ ref('stg_contracts') }}
),

proposals as (
    select * from {{ ref('stg_proposals') }}
),

projects as (
    select * from {{ ref('stg_projects') }}
),

surveys as (
    select * from {{ ref('stg_client_surveys') }}
),

reviews as (
    select * from {{ ref('stg_peer_reviews') }}
),

managers as (
    select * from {{ ref('int_client_managers') }}
),

records as (
    select
        'contracts' as source_extract,
        contract_id as source_id,
        client_id,
        owner_id,
        signed_date as credit_date
    from contracts

    union all

    select
        'proposals' as source_extract,
        proposal_id as source_id,
        client_id,
        owner_id,
        cast(null as date) as credit_date
    from proposals

    union all

    select
        'projects' as source_extract,
        project_id as source_id,
        client_id,
        owner_id,
        cast(null as date) as credit_date
    from projects

    union all

    -- The owner of the project that a survey names; the manager of the survey's own client.
    select
        'client_surveys' as source_extract,
        surveys.response_id as source_id,
        surveys.client_id,
        projects.owner_id,
        surveys.sent_date as credit_date
    from surveys
    left join projects
        on surveys.project_id = projects.project_id

    union all

    select
        'peer_reviews' as source_extract,
        review_id as source_id,
        cast(null as {{ dbt.type_string() }}) as client_id,
        account_manager_id as owner_id,
        cast(null as date) as credit_date
    from reviews

    union all

    -- Not of the extract `clients`, which may never have been delivered.
    select distinct
        'clients' as source_extract,
        client_id as source_id,
        client_id,
        cast(null as {{ dbt.type_string() }}) as owner_id,
        cast(null as date) as credit_date
    from managers
),

credited as (
    select
        records.source_extract,
        records.source_id,
        coalesce(records.owner_id, managers.account_manager_id) as staff_id,
        case when records.credit_date is null then managers.valid_from end as valid_from,
        case when records.credit_date is null then managers.valid_to end as valid_to
    from records
    left join managers
        on case when records.owner_id is null then records.client_id end = managers.client_id
        and coalesce(records.credit_date, managers.valid_from) between managers.valid_from and managers.valid_to
),

final as (
    select
        source_extract,
        source_id,
        staff_id,
        coalesce(valid_from, {{ beginning_of_time() }}) as valid_from,
        coalesce(valid_to, {{ end_of_time() }}) as valid_to
    from credited
    where staff_id is not null
)

select * from final
