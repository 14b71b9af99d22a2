"""What is asked of the marts before readers get them."""

from __future__ import annotations

from amkpi.core.settings import Settings
from amkpi.expectations.declaration import Builtin, Expected, NoRows, Suite
from amkpi.ingestion.contracts.extracts import KPIS

REVENUE, *RATIOS, COST_RATIO, COLLABORATION = KPIS
# The KPIs that are sums over records: 1 to 7.
_OF_RECORDS = (REVENUE, *RATIOS, COST_RATIO)
# Those of them that count the clients of an opening day; the records of the others have dates of their own.
_OF_CLIENTS = ("client_retention_rate", "upsell_cross_sell_rate")
_OF_DATED_RECORDS = tuple(kpi for kpi in _OF_RECORDS if kpi not in _OF_CLIENTS)
# Relative: sums of doubles depend on the order of adding, by far less than this.
TOLERANCE = 1e-9

_RULE_BROKEN = (
    "The models or the warehouse are broken, not the data. Build again; if it stays, `amkpi rebuild`; if it still"
    " stays, report it with this line: the last good publication stays in place meanwhile."
)
_OF_SCORECARD = ("scope", "staff_id", "period_grain", "period_start")
_WHO_AND_WHEN = "scope || coalesce(' ' || staff_id, '') || ' ' || period_grain || ' ' || period_start"


def _quoted(texts: tuple[str, ...]) -> str:
    return ", ".join("'" + text.replace("'", "''") + "'" for text in texts)


def _differ(one: str, other: str, scale: str) -> str:
    """SQL that is true where two numbers differ by more than the tolerance on this scale, or one is not a number."""
    return (
        f"not coalesce(isfinite({one}) and isfinite({other}) and abs({one} - {other}) <= {TOLERANCE} * {scale}, false)"
    )


def _outside(kpis: tuple[str, ...], least: float, greatest: float) -> str:
    """SQL that names the rows of these KPIs with a value outside of the bounds.

    By a query, because Great Expectations' own expectation counts all rows of the view to say of how many they are.
    """
    return f"""
        select kpi || ' ' || {_WHO_AND_WHEN} || ': ' || value as what
        from {{batch}}
        where kpi in ({_quoted(kpis)}) and not value between {least} and {greatest}
    """


# The chain is cut where it comes back. Who stands below a loop has it in their chain too: only the people in it
# are named, unless none is.
_PEOPLE_IN_LOOPS = """
    with loops as (
        select staff_id, manager_id, min(valid_from) as valid_from
        from {batch}
        where is_loop
        group by staff_id, manager_id
    ),
    members as (
        select staff_id from loops where staff_id = manager_id
    )
    select loops.staff_id || coalesce(' ' || staff.full_name, '') || ' from ' || min(loops.valid_from) as what
    from loops
    left join marts.dim_staff as staff on loops.staff_id = staff.staff_id
    where loops.staff_id in (select staff_id from members)
        or loops.manager_id not in (select staff_id from members)
    group by loops.staff_id, staff.full_name
"""

# Straight from the records by their date, not by way of months, people and scopes. The last line is the sum over
# all months: no record may fall outside every period.
_REVENUE_UNLIKE_RECORDS = f"""
    with records as (
        select event_date, sum(numerator) as numerator from kpis.kpi_client_revenue group by event_date
    ),
    shown as (
        select period_grain, period_start, period_end, value
        from {{batch}}
        where kpi = '{REVENUE}' and scope = 'company'
    ),
    compared as (
        select
            shown.period_grain || ' ' || shown.period_start as period,
            any_value(shown.value) as shown,
            cast(coalesce(sum(records.numerator), 0) as double) as recorded
        from shown
        left join records on records.event_date between shown.period_start and shown.period_end
        group by shown.period_grain, shown.period_start

        union all

        select
            'all months' as period,
            coalesce((select sum(value) from shown where period_grain = 'month'), 0) as shown,
            cast(coalesce(sum(numerator), 0) as double) as recorded
        from records
    )
    select
        period || ' shows ' || coalesce(cast(round(shown, 2) as varchar), 'nothing')
        || ', records say ' || round(recorded, 2) as what
    from compared
    where {_differ("shown", "recorded", "greatest(abs(shown), abs(recorded))")}
"""

# Scale: the sum of the magnitudes, because a signing and its cancellation add up to almost nothing.
_EVIDENCE_UNLIKE_VALUES = f"""
    with evidence as (
        select
            kpi, staff_id, period_grain, period_start,
            coalesce(sum(numerator), 0) as numerator,
            coalesce(sum(denominator), 0) as denominator,
            coalesce(sum(abs(numerator)), 0) as numerator_scale,
            coalesce(sum(abs(denominator)), 0) as denominator_scale
        from {{batch}}
        where kpi <> '{COLLABORATION}' and staff_id is not null
        group by kpi, staff_id, period_grain, period_start
    ),
    own as (
        select
            kpi, staff_id, period_grain, period_start, numerator,
            case when kpi = '{REVENUE}' then coalesce(denominator, 0) else denominator end as denominator
        from marts.kpi_values
        where kpi in ({_quoted(_OF_RECORDS)}) and scope = 'own'
    ),
    compared as (
        select
            coalesce(own.kpi, evidence.kpi)
            || ' ' || coalesce(own.staff_id, evidence.staff_id)
            || ' ' || coalesce(own.period_grain, evidence.period_grain)
            || ' ' || coalesce(own.period_start, evidence.period_start) as place,
            own.kpi is not null as is_shown,
            own.numerator,
            own.denominator,
            coalesce(evidence.numerator, 0) as evident_numerator,
            coalesce(evidence.denominator, 0) as evident_denominator,
            coalesce(evidence.numerator_scale, 0) as numerator_scale,
            coalesce(evidence.denominator_scale, 0) as denominator_scale
        from own
        full join evidence
            on own.kpi = evidence.kpi
            and own.staff_id = evidence.staff_id
            and own.period_grain = evidence.period_grain
            and own.period_start = evidence.period_start
    )
    select
        place
        || case when is_shown then ' is ' || coalesce(cast(numerator as varchar), 'nothing')
            || '/' || coalesce(cast(denominator as varchar), 'nothing') else ' is missing' end
        || ', records give ' || evident_numerator || '/' || evident_denominator as what
    from compared
    where {_differ("numerator", "evident_numerator", "numerator_scale")}
        or {_differ("denominator", "evident_denominator", "denominator_scale")}
"""

# What the people of a KPI and period add up to, each with a weight of their own between 1 and 2, the same on both
# sides: a figure that lacks, or that stands with somebody else, makes another sum, and no sum by person has to be held.
# Ten times what rounding does to such sums is a doubt. A record of a month counts in each period that holds the month:
# added up by month first, fifteen times fewer rows. This takes a sixth of the time of the comparison by person.
_WEIGHT = "(1 + hash(staff_id) / 18446744073709551616.0)"
_EVIDENCE_IN_DOUBT = f"""
    with evidence as (
        select
            kpi, period_grain, period_start,
            fsum({_WEIGHT} * numerator) as numerator,
            coalesce(fsum({_WEIGHT} * denominator), 0) as denominator,
            fsum({_WEIGHT} * abs(numerator)) as numerator_scale
        from {{batch}}
        where staff_id is not null
            and (kpi in ({_quoted(_OF_CLIENTS)}) or (kpi in ({_quoted(_OF_DATED_RECORDS)}) and period_grain = 'month'))
        group by kpi, period_grain, period_start
    ),
    evident as (
        select
            evidence.kpi, months.period_grain, months.period_start,
            sum(evidence.numerator) as numerator,
            sum(evidence.denominator) as denominator,
            sum(evidence.numerator_scale) as numerator_scale
        from evidence
        inner join intermediate.int_period_months as months on evidence.period_start = months.month_start
        where evidence.kpi in ({_quoted(_OF_DATED_RECORDS)})
        group by evidence.kpi, months.period_grain, months.period_start

        union all

        select kpi, period_grain, period_start, numerator, denominator, numerator_scale
        from evidence
        where kpi in ({_quoted(_OF_CLIENTS)})
    ),
    own as (
        select
            kpi, period_grain, period_start,
            fsum({_WEIGHT} * numerator) as numerator,
            coalesce(fsum({_WEIGHT} * denominator), 0) as denominator,
            bool_and(coalesce(isfinite(numerator), false) and (kpi = '{REVENUE}' or denominator is not null))
                as is_whole
        from marts.kpi_values
        where kpi in ({_quoted(_OF_RECORDS)}) and scope = 'own'
        group by kpi, period_grain, period_start
    )
    select 'a sum' as what
    from own
    full join evident
        on own.kpi = evident.kpi
        and own.period_grain = evident.period_grain
        and own.period_start = evident.period_start
    where not coalesce(own.is_whole, false)
        or not abs(own.numerator - coalesce(evident.numerator, 0)) <= 1e-14 * coalesce(evident.numerator_scale, 0)
        or not abs(own.denominator - coalesce(evident.denominator, 0)) <= 1e-14 * coalesce(evident.denominator, 0)
"""

# A bit for each KPI: a count of distinct texts took twice as long.
_SETS_WITHOUT_ALL_KPIS = f"""
    select {_WHO_AND_WHEN} || ' has ' || count(*) as what
    from {{batch}}
    group by scope, staff_id, period_grain, period_start
    having count(*) <> {len(KPIS)}
        or bit_or(case kpi {" ".join(f"when '{kpi}' then {1 << bit}" for bit, kpi in enumerate(KPIS))} else 0 end)
            <> {(1 << len(KPIS)) - 1}
"""

# Who stands in a KPI and period, as three numbers: all KPIs of a period have the same. Somebody there twice makes them
# others, unless twice in all eight.
_SETS_IN_DOUBT = f"""
    with people as (
        select
            kpi, period_grain, period_start, count(*) as row_count, bit_xor(hash(scope, staff_id)) as hash_xor,
            sum(cast(hash(scope, staff_id) as hugeint)) as hash_sum
        from {{batch}}
        group by kpi, period_grain, period_start
    )
    select period_grain || ' ' || period_start as what
    from people
    group by period_grain, period_start
    having count(case when kpi in ({_quoted(KPIS)}) then 1 end) <> {len(KPIS)} or count(*) <> {len(KPIS)}
        or count(distinct row_count) > 1 or count(distinct hash_xor) > 1 or count(distinct hash_sum) > 1
"""

# Of one KPI: that everyone has all eight in each period is asked for itself.
_PERIODS_UNLIKE_THEIR_GRAIN = f"""
    with grains (period_grain, starts_on, months) as (
        values ('month', 'month', 1), ('quarter', 'quarter', 3), ('year', 'year', 12), ('trailing_12m', 'month', 12)
    ),
    periods as (
        select distinct period_grain, period_start, period_end from {{batch}} where kpi = '{REVENUE}'
    )
    select periods.period_grain || ' ' || period_start || ' to ' || period_end as what
    from periods
    left join grains on periods.period_grain = grains.period_grain
    where grains.months is null
        or period_start <> date_trunc(grains.starts_on, period_start)
        or period_end <> period_start + to_months(grains.months) - interval 1 day
"""


def marts_suite(settings: Settings) -> Suite:
    """The expectations of the border `marts`, with the agency's scale of ratings."""
    return Suite(
        "marts",
        (
            Expected(
                name="no_loop_in_the_chain_of_managers",
                table="intermediate.int_management_chain",
                column="manager_id",
                rule=NoRows(_PEOPLE_IN_LOOPS, one="person", many="people"),
                severity="blocking",
                advice=(
                    "Each of these people is, through others, their own manager, so nobody can say whose team a record"
                    " counts for. Correct manager_id of one of them in the HR system and deliver `staff` again."
                ),
            ),
            Expected(
                name="revenue_is_what_the_records_say",
                table="marts.kpi_values",
                column="value",
                rule=NoRows(_REVENUE_UNLIKE_RECORDS, one="period", many="periods"),
                severity="blocking",
                advice=_RULE_BROKEN,
            ),
            Expected(
                name="everyone_has_all_eight_kpis",
                table="marts.kpi_values",
                column="kpi",
                rule=NoRows(_SETS_WITHOUT_ALL_KPIS, one="set", many="sets", doubt=_SETS_IN_DOUBT),
                severity="blocking",
                advice=_RULE_BROKEN,
            ),
            Expected(
                name="numbers_are_finite",
                table="marts.kpi_values",
                column="value",
                rule=NoRows(
                    f"""
                    select kpi || ' ' || {_WHO_AND_WHEN} as what
                    from {{batch}}
                    where not (isfinite(coalesce(value, 0)) and isfinite(coalesce(numerator, 0))
                        and isfinite(coalesce(denominator, 0)))
                    """,
                    one="row",
                    many="rows",
                ),
                severity="blocking",
                advice=_RULE_BROKEN,
            ),
            Expected(
                name="null_exactly_with_a_reason",
                table="marts.kpi_values",
                column="null_reason",
                rule=NoRows(
                    f"""
                    select kpi || ' ' || {_WHO_AND_WHEN} as what
                    from {{batch}}
                    where (value is null) <> (null_reason is not null)
                    """,
                    one="row",
                    many="rows",
                ),
                severity="blocking",
                advice=_RULE_BROKEN,
            ),
            Expected(
                name="ratios_between_0_and_1",
                table="marts.kpi_values",
                column="value",
                rule=NoRows(_outside(tuple(RATIOS), 0, 1), one="row", many="rows"),
                severity="blocking",
                advice=_RULE_BROKEN,
            ),
            Expected(
                name="collaboration_between_0_and_100",
                table="marts.kpi_values",
                column="value",
                rule=NoRows(_outside((COLLABORATION,), 0, 100), one="row", many="rows"),
                severity="blocking",
                advice=_RULE_BROKEN,
            ),
            Expected(
                name="periods_span_their_grain",
                table="marts.kpi_values",
                column="period_end",
                rule=NoRows(_PERIODS_UNLIKE_THEIR_GRAIN, one="period", many="periods"),
                severity="blocking",
                advice=_RULE_BROKEN,
            ),
            Expected(
                name="evidence_adds_up_to_the_values",
                table="marts.kpi_evidence",
                column="numerator",
                rule=NoRows(_EVIDENCE_UNLIKE_VALUES, one="value", many="values", doubt=_EVIDENCE_IN_DOUBT),
                severity="blocking",
                advice=_RULE_BROKEN,
            ),
            Expected(
                name="scores_between_0_and_the_cap",
                table="marts.scorecards",
                column="weighted_score",
                rule=Builtin(
                    "ExpectColumnValuesToBeBetween",
                    {"min_value": 0, "max_value": 100 * settings.kpi.attainment_cap * (1 + TOLERANCE)},
                    _OF_SCORECARD,
                ),
                severity="blocking",
                advice=_RULE_BROKEN,
            ),
            Expected(
                name="ratings_are_of_the_bands",
                table="marts.scorecards",
                column="rating",
                rule=Builtin(
                    "ExpectColumnValuesToBeInSet",
                    {"value_set": [band.rating for band in settings.kpi.rating_bands]},
                    _OF_SCORECARD,
                ),
                severity="blocking",
                advice="The marts were built with other rating_bands than the settings have now: build again.",
            ),
            Expected(
                name="every_row_read_is_loaded_or_quarantined",
                table="marts.load_ledger",
                column="rows_loaded",
                rule=NoRows(
                    """
                    select file_name || ' as ' || coalesce(extract, 'nothing') || ' read ' || rows_read
                        || ', loaded ' || rows_loaded || ', quarantined ' || rows_quarantined as what
                    from {batch}
                    where rows_read is distinct from rows_loaded + rows_quarantined
                        or least(rows_read, rows_loaded, rows_quarantined) < 0
                        or (status <> 'loaded' and rows_read <> 0)
                    """,
                    one="file",
                    many="files",
                ),
                severity="blocking",
                advice=_RULE_BROKEN,
            ),
        ),
    )
