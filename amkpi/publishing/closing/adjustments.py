"""Adjustments: the exact differences between the computed rows of closed periods and the closed rows.

For every row: closed + taken up + open = computed. Open is what no later act has taken up.
"""

from __future__ import annotations

from datetime import date

import duckdb

from amkpi.core.home import Home
from amkpi.core.storage import closing_register
from amkpi.core.storage.closing_register import Act
from amkpi.core.storage.sql import literal
from amkpi.publishing.closing import files, sums
from amkpi.publishing.closing.files import EVIDENCE
from amkpi.publishing.closing.warehouse import insert_shared

# A difference within this share of the larger side is none.
TOLERANCE = "1e-9"
# From which size of the computed sum on how many decimal places of a difference are kept.
_PLACES = ((1e12, 2), (1e9, 4), (1e6, 6))
_MEASURES = ("numerator", "denominator", "sample_size")
_ROW = ("kpi", "scope", "staff_id", "period_grain", "period_start")


def work_out(connection: duckdb.DuckDBPyConnection, home: Home, as_of: date) -> None:
    """Fill the adjustments, their evidence and the adjusted scores for the build in the warehouse, without causes.

    What acts took up is copied from their files; the rest is compared. Raises ClosingsBroken where a file cannot be
    read.
    """
    in_force = closing_register.read(home).in_force(as_of)
    for name in ("adjustments", "adjustment_evidence", "adjusted_scores"):
        connection.execute(f"delete from closing.{name}")
    if not in_force:
        return
    _gather(connection, home, in_force)
    connection.execute(f"create or replace temp table fresh_sums as {sums.of_build('closing.periods')}")
    connection.execute(_OPEN)
    connection.execute(_open_evidence(in_force))
    connection.execute(_ADJUSTED_SCORES)


def newest_acts(in_force: tuple[Act, ...]) -> dict[str, Act]:
    """By grain, the last act that closed a period of it."""
    return {grain: act for act in in_force for grain in act.grains}


def _gather(connection: duckdb.DuckDBPyConnection, home: Home, in_force: tuple[Act, ...]) -> None:
    """Read the closing files: what was taken up, the closed sums and records, and the management chains."""
    connection.execute(
        "create or replace temp table closed_sums (kpi varchar, scope varchar, staff_id varchar, period_grain varchar,"
        " period_start date, numerator decimal(38, 12), denominator decimal(38, 12), sample_size bigint)"
    )
    connection.execute(
        "create or replace temp table chains (n integer, staff_id varchar, manager_id varchar, valid_from date,"
        " valid_to date)"
    )
    connection.execute(
        f"create or replace temp table known as select {', '.join(EVIDENCE)} from marts.kpi_evidence limit 0"
    )
    for act in in_force:
        with files.attached(connection, act.file(home), "one_closing"):
            connection.execute("insert into closed_sums by name from one_closing.exact_sums")
            connection.execute(
                f"insert into chains by name select {act.n} as n, staff_id, manager_id, valid_from, valid_to"
                " from one_closing.intermediate.int_management_chain where not is_loop"
            )
            for name in ("adjustments", "adjustment_evidence"):
                insert_shared(connection, name, f"one_closing.{name}")
            # An act took up all that was open of its grains: what came before it is in its file as of then.
            grains = [grain for grain, newest in newest_acts(in_force).items() if newest == act]
            of_grains = f"where period_grain in ({', '.join(map(literal, grains))}) and kpi <> {literal(sums.PRIVATE)}"
            for name in ("kpi_evidence", "known_evidence") if grains else ():
                connection.execute(
                    f"insert into known by name select {', '.join(EVIDENCE)} from one_closing.{name} {of_grains}"
                )


def _difference(measure: str) -> str:
    """SQL for computed less known; zero within the tolerance.

    The extracts hold amounts as doubles. As decimals they have noise beyond the sixteenth digit, which is rounded away:
    123456789 and not 123456788.999999995904. The size of the computed sum decides, not that of the known one: what is
    left after 10⁹ were taken away must stay exact.
    """
    fresh, known = f"coalesce(fresh.{measure}, 0)", f"coalesce(known.{measure}, 0)"
    scale = f"greatest(abs({fresh})::double, abs({known})::double)"
    difference = f"({fresh} - {known})"
    if measure == "sample_size":
        return difference
    rounded = " ".join(
        f"when abs({fresh}) >= {least} then round({difference}, {places})::decimal(38, 12)" for least, places in _PLACES
    )
    return f"case when abs({difference}) <= {TOLERANCE} * {scale} then 0 {rounded} else {difference} end"


# What is open: of every row that one side has, what is neither closed nor taken up.
_OPEN = f"""
    insert into closing.adjustments by name
    with fresh as (from fresh_sums),
    known as (
        select {", ".join(_ROW)}, sum(numerator) as numerator, sum(denominator) as denominator,
            sum(sample_size) as sample_size
        from (
            select {sums.COLUMNS} from closed_sums
            union all
            select {sums.COLUMNS} from closing.adjustments
        )
        group by all
    ),
    differences as (
        select
            {", ".join(f"coalesce(fresh.{name}, known.{name}) as {name}" for name in _ROW)},
            {", ".join(f"{_difference(m)} as {m}" for m in _MEASURES)}
        from fresh
        full join known
            on {" and ".join(f"fresh.{name} is not distinct from known.{name}" for name in _ROW)}
    )
    select differences.*, computed.value as fresh_value
    from differences
    left join marts.kpi_values as computed
        on {" and ".join(f"differences.{name} is not distinct from computed.{name}" for name in _ROW)}
    where {" or ".join(f"differences.{m} <> 0" for m in _MEASURES)}
"""


def _open_evidence(in_force: tuple[Act, ...]) -> str:
    """SQL that inserts the records that count on one side of an open adjustment alone.

    Known is what the newest act of the grain knew, and its teams are those of that act, which took up all that was open
    then.
    """
    columns = ", ".join(EVIDENCE)
    newest = newest_acts(in_force)
    act_of_grain = " ".join(f"when {literal(grain)} then {act.n}" for grain, act in newest.items())
    of_newest = f"chain.n = case records.period_grain {act_of_grain} end"
    # A contract of the amount 0 that is signed and cancelled on one day has two equal records: copies are numbered.
    copies = f"row_number() over (partition by of_scope, of_staff, {columns}) as copy"
    return f"""
        insert into closing.adjustment_evidence by name
        with fresh as (
            select {columns} from marts.kpi_evidence
            semi join closing.periods using (period_grain, period_start)
            where kpi <> {literal(sums.PRIVATE)}
        ),
        open_rows as (
            select kpi, scope, staff_id, period_grain, period_start from closing.adjustments where carried_to is null
        ),
        known_counted as (
            select *, {copies} from ({_counted("known", "chains", of_newest)})
        ),
        fresh_counted as (
            select *, {copies} from ({_counted("fresh", "intermediate.int_management_chain", "not chain.is_loop")})
        ),
        one_sided as (
            select 'closed' as side, * from (from known_counted except from fresh_counted)
            union all
            select 'fresh' as side, * from (from fresh_counted except from known_counted)
        )
        select side, {columns}
        from (select distinct side, copy, {columns} from one_sided)
        """


def _counted(records: str, chain: str, of_chain: str) -> str:
    """SQL for the records that count for each open row: for their person, everyone over them, and the company."""
    columns = ", ".join(f"records.{name}" for name in EVIDENCE)
    same = (
        "open_rows.kpi = records.kpi and open_rows.period_grain = records.period_grain"
        " and open_rows.period_start = records.period_start"
    )
    return f"""
        select open_rows.scope as of_scope, open_rows.staff_id as of_staff, {columns}
        from open_rows
        inner join {records} as records on {same}
        where open_rows.scope = 'company'
        union all
        select open_rows.scope, open_rows.staff_id, {columns}
        from open_rows
        inner join {records} as records on {same} and open_rows.staff_id = records.staff_id
        where open_rows.scope in ('own', 'team')
        union all
        select open_rows.scope, open_rows.staff_id, {columns}
        from {records} as records
        inner join {chain} as chain
            on records.staff_id = chain.staff_id and records.event_date between chain.valid_from and chain.valid_to
            and {of_chain}
        inner join open_rows on {same} and open_rows.staff_id = chain.manager_id
        where open_rows.scope = 'team'
        """


# Scores are compared as they are rated: after rounding to nine decimals. The private KPI counts as closed.
_ADJUSTED_SCORES = """
    insert into closing.adjusted_scores by name
    with fresh as (
        select scope, nullif(person_key, '') as staff_id, period_grain, period_start, weighted_score, rating
        from intermediate.int_comparable_scores
        semi join closing.periods using (period_grain, period_start)
    )
    select
        coalesce(closed.scope, fresh.scope) as scope,
        coalesce(closed.staff_id, fresh.staff_id) as staff_id,
        coalesce(closed.period_grain, fresh.period_grain) as period_grain,
        coalesce(closed.period_start, fresh.period_start) as period_start,
        closed.weighted_score as closed_score,
        closed.rating as closed_rating,
        fresh.weighted_score as fresh_score,
        fresh.rating as fresh_rating
    from closing.scorecards as closed
    full join fresh
        on closed.scope = fresh.scope and closed.staff_id is not distinct from fresh.staff_id
        and closed.period_grain = fresh.period_grain and closed.period_start = fresh.period_start
    where round(closed.weighted_score, 9) is distinct from round(fresh.weighted_score, 9)
        or closed.rating is distinct from fresh.rating
"""
