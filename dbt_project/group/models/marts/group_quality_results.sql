-- Grain: check of the group's audit. A view: the audit runs after the models.
select
    name,
    success,
    severity,
    observed,
    unexpected_count
from {{ source('audit', 'results') }}
