-- Grain: agency × kpi × period_grain × period_start. What the records of an agency add up to, in the currency of the
-- group and in its own.
select
    agency,
    kpi,
    period_grain,
    period_start,
    sum({{ exact('numerator') }}) as numerator,
    sum({{ exact('denominator') }}) as denominator,
    sum({{ exact('local_numerator') }}) as local_numerator,
    sum({{ exact('local_denominator') }}) as local_denominator,
    count(*) as records
from {{ ref('group_kpi_evidence') }}
group by agency, kpi, period_grain, period_start
