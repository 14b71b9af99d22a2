-- Grain: contract_id. The contracts that exist for the run, with their money in the reporting currency and who has
-- the credit for the signing.
with contracts as (
    select
        contract_id,
        client_id,
        kind,
        signed_date,
        start_date,
        end_date,
        amount,
        currency,
        case when cancelled_date <= {{ as_of() }} then cancelled_date end as cancelled_date
    from {{ ref('stg_contracts') }}
    where signed_date <= {{ as_of() }}
),

valued as (
    select
        contracts.contract_id,
        contracts.client_id,
        contracts.kind,
        contracts.signed_date,
        contracts.start_date,
        contracts.end_date,
        contracts.cancelled_date,
        credit.staff_id,
        contracts.amount * rates.rate as reporting_amount
    from contracts
    left join {{ ref('int_fx_history') }} as rates
        on contracts.currency = rates.currency
        and contracts.signed_date between rates.valid_from and rates.valid_to
    left join {{ ref('int_credit') }} as credit
        on credit.source_extract = 'contracts'
        and contracts.contract_id = credit.source_id
        and contracts.signed_date between credit.valid_from and credit.valid_to
)

select * from valued
