-- Grain: kpi.
select
    kpi_number,
    kpi,
    unit,
    better,
    no_data_reason,
    aggregation,
    target_growth,
    is_private,
    is_of_amounts,
    is_of_signings
from {{ source('sources', 'kpi_catalogue') }}
