-- Grain: calendar month. Every month that a period of this agency can touch: also those of a trailing year before the
-- first record, and those of the current year after as_of.
with recursive first_dates as (
    select min(sent_date) as first_date from {{ ref('stg_proposals') }}
    union all
    select min(signed_date) as first_date from {{ ref('stg_contracts') }}
    union all
    select min(start_date) as first_date from {{ ref('stg_contracts') }}
    union all
    select min(start_date) as first_date from {{ ref('stg_projects') }}
    union all
    select min(sent_date) as first_date from {{ ref('stg_client_surveys') }}
    union all
    select min(review_date) as first_date from {{ ref('stg_peer_reviews') }}
),

bounds as (
    select
        {{ truncate_to('month', 'min(first_date)') }} as first_month,
        {{ truncate_to('month', as_of()) }} as last_month
    from first_dates
),

months as (
    select
        {{ months_after(-11, 'first_month') }} as month_start,
        first_month,
        last_month
    from bounds
    where first_month <= last_month

    union all

    select
        {{ months_after(1, 'month_start') }} as month_start,
        first_month,
        last_month
    from months
    where month_start < {{ months_after(11, 'last_month') }}
)

select
    month_start,
    {{ days_after(-1, months_after(1, 'month_start')) }} as month_end,
    month_start between first_month and last_month as has_records
from months
