-- Grain: response_id. The surveys sent by as_of, who has the credit, and how satisfied the answer is.
with surveys as (
    select
        response_id,
        client_id,
        sent_date,
        responded_date,
        score,
        scale_min,
        scale_max
    from {{ ref('stg_client_surveys') }}
    where sent_date <= {{ as_of() }}
),

answered as (
    select
        *,
        responded_date is not null and responded_date <= {{ as_of() }} as is_answered
    from surveys
)

select
    answered.response_id,
    answered.client_id,
    credit.staff_id,
    answered.sent_date,
    answered.is_answered,
    case when answered.is_answered then answered.responded_date end as responded_date,
    -- Exact, because 4.35 on a scale of 0.6 to 5.6 is 0.75, and doubles make it a little less.
    case
        when answered.is_answered
            then {{ exact(
                '(answered.score - answered.scale_min) / nullif(answered.scale_max - answered.scale_min, 0)'
            ) }}
    end as satisfaction,
    answered.score,
    answered.scale_min = 0 and answered.scale_max = 10 as is_promoter_scale
from answered
left join {{ ref('int_credit') }} as credit
    on credit.source_extract = 'client_surveys'
    and answered.response_id = credit.source_id
    and answered.sent_date between credit.valid_from and credit.valid_to
