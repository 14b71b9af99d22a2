-- The targets in force for the rows of `relation` (kpi and kpi_number, target_group_id with its scope, person_key ('' for
-- who has none of their own) and role, period_id and period_grain, and a `day`) in the order in which they are looked up:
-- `preference` 1 is the first. With `any_grain_only`, only those for any grain.
{% macro targets_in_force(relation, any_grain_only) %}
    {% set by = [
        "targets.scope <> 'company' and targets.staff_id = wanted.person_key",
        "targets.scope <> 'company' and targets.staff_id is null and targets.role = wanted.role",
        "targets.scope = 'company'",
    ] %}
    {% for match in by %}
    select
        wanted.kpi_number,
        wanted.target_group_id,
        wanted.period_id,
        wanted.day,
        {{ loop.index0 * 2 + 1 }} + case when targets.period_grain is null then 1 else 0 end as preference,
        targets.period_grain is not null as is_of_own_grain,
        targets.target,
        targets.weight
    from {{ relation }} as wanted
    inner join {{ ref('int_targets') }} as targets
        on wanted.kpi = targets.kpi
        and wanted.scope = targets.scope
        and {{ match }}
        and wanted.day between targets.valid_from and targets.valid_to
    where targets.period_grain is null{% if not any_grain_only %} or targets.period_grain = wanted.period_grain{% endif %}

    {{ 'union all' if not loop.last }}
    {% endfor %}
{% endmacro %}
