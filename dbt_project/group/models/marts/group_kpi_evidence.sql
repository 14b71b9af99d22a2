-- Grain: agency × kpi × source record × period. The records that the values are added up from. Without people: what an
-- agency's own marts say of them stays there.
with evidence as (
    select * from {{ source('sources', 'agency_evidence') }}
),

catalogue as (
    select * from {{ ref('int_kpi_catalogue') }}
),

-- A cancellation takes money back at the rate of the day on which the contract was signed.
signings as (
    select
        evidence.agency,
        evidence.source_id,
        min(evidence.event_date) as signed_date
    from evidence
    inner join catalogue
        on evidence.kpi = catalogue.kpi
    where catalogue.is_of_signings and evidence.numerator >= 0
    group by evidence.agency, evidence.source_id
),

dated as (
    select
        evidence.*,
        catalogue.is_of_amounts,
        case when catalogue.is_of_amounts then agencies.currency end as currency,
        case
            when not catalogue.is_of_amounts then null
            when catalogue.is_of_signings and evidence.numerator < 0
                then coalesce(signings.signed_date, evidence.event_date)
            else evidence.event_date
        end as rate_date
    from evidence
    inner join catalogue
        on evidence.kpi = catalogue.kpi
    inner join {{ source('sources', 'agencies') }} as agencies
        on evidence.agency = agencies.agency
    left join signings
        on catalogue.is_of_signings
        and evidence.agency = signings.agency
        and evidence.source_id = signings.source_id
)

select
    dated.agency,
    dated.kpi,
    dated.client_id,
    dated.event_date,
    dated.period_grain,
    dated.period_start,
    dated.source_extract,
    dated.source_id,
    case when dated.is_of_amounts then dated.numerator * rates.rate else dated.numerator end as numerator,
    case when dated.is_of_amounts then dated.denominator * rates.rate else dated.denominator end as denominator,
    dated.currency,
    dated.rate_date,
    rates.rate,
    dated.numerator as local_numerator,
    dated.denominator as local_denominator,
    dated.is_closed
from dated
left join {{ ref('int_fx_history') }} as rates
    on dated.currency = rates.currency
    and dated.rate_date between rates.valid_from and rates.valid_to
