-- Grain: source_extract × source_id. What a reader wants to know of a record besides what the KPIs count. Every build
-- makes it whole, because what is overdue is a day later every day. Peer reviews are not listed.
with clients as (
    select * from {{ ref('stg_clients') }}
),

projects as (
    select * from {{ ref('int_projects') }}
),

described as (
    select
        'clients' as source_extract,
        client_id as source_id,
        client_id,
        client_name as record_name,
        cast(null as {{ dbt.type_string() }}) as kind,
        cast(null as bigint) as days_late
    from clients

    union all

    select
        'proposals' as source_extract,
        proposal_id as source_id,
        client_id,
        cast(null as {{ dbt.type_string() }}) as record_name,
        kind,
        cast(null as bigint) as days_late
    from {{ ref('stg_proposals') }}

    union all

    select
        'contracts' as source_extract,
        contract_id as source_id,
        client_id,
        cast(null as {{ dbt.type_string() }}) as record_name,
        kind,
        cast(null as bigint) as days_late
    from {{ ref('stg_contracts') }}

    union all

    select
        'projects' as source_extract,
        project_id as source_id,
        client_id,
        project_name as record_name,
        cast(null as {{ dbt.type_string() }}) as kind,
        days_late
    from projects

    union all

    -- The project that a survey asks about.
    select
        'client_surveys' as source_extract,
        surveys.response_id as source_id,
        surveys.client_id,
        projects.project_name as record_name,
        cast(null as {{ dbt.type_string() }}) as kind,
        cast(null as bigint) as days_late
    from {{ ref('stg_client_surveys') }} as surveys
    left join projects
        on surveys.project_id = projects.project_id
)

select
    described.source_extract,
    described.source_id,
    described.record_name,
    clients.client_name,
    described.kind,
    described.days_late,
    source_rows.file_name,
    source_rows.line_number
from described
left join clients
    on described.client_id = clients.client_id
left join {{ ref('int_source_rows') }} as source_rows
    on described.source_extract = source_rows.source_extract
    and described.source_id = source_rows.source_id
