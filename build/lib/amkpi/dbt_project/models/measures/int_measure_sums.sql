-- Grain: measure_number × subject_id × period_id, where there are records. What the records of a period add up to, for
-- the supporting measures that are sums; the mart adds the rows of those without records, which nobody needs to store.
select
    measure_number,
    subject_id,
    period_id,
    {{ as_double('numerator') }} as numerator,
    {{ as_double('denominator') }} as denominator
from {{ roll_up_periods(ref('int_measure_months'), ['measure_number'], ['numerator', 'denominator']) }} as periods
