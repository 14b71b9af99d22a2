-- Grain: client_id × valid_from. Who manages the client, from when to when; days that no row covers belong to nobody.
with history as (
    select
        client_id,
        account_manager_id,
        valid_from,
        {{ least_of(
            'coalesce('
            ~ days_after(-1, 'lead(valid_from) over (partition by client_id order by valid_from)')
            ~ ', ' ~ end_of_time() ~ ')',
            'coalesce(valid_to, ' ~ end_of_time() ~ ')'
        ) }} as valid_to
    from {{ ref('stg_client_assignments') }}
)

select * from history
