"""What was learned of closed periods since: the difference of the computed rows and the closed ones, exact.

closed + Σ carried + open = computed, for every row: what no later act has taken up is open.
"""

from __future__ import annotations

from datetime import date

import duckdb

from amkpi.core.home import Home
from amkpi.core.storage import closing_register
from amkpi.core.storage.closing_register import Act
from amkpi.core.storage.sql import literal
from amkpi.publishing.closing import files, sums
from amkpi.publishing.closing.warehouse import insert_shared

# A difference within this share of the larger side is none.
TOLERANCE = "1e-9"
_MEASURES = ("numerator", "denominator", "sample_size")
_ROW = ("kpi", "scope", "staff_id", "period_grain", "period_start")
_EVIDENCE = (
    "kpi", "staff_id", "client_id", "event_date", "period_grain", "period_start", "source_extract", "source_id",
    "numerator", "denominator",
)  # fmt: skip


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


def _gather(connection: duckdb.DuckDBPyConnection, home: Home, in_force: tuple[Act, ...]) -> None:
    """Read the closing files: what was taken up, the closed sums and records, and who was over whom."""
    connection.execute(
        "create or replace temp table closed_sums (kpi varchar, scope varchar, staff_id varchar, period_grain varchar,"
        " period_start date, numerator decimal(38, 12), denominator decimal(38, 12), sample_size bigint)"
    )
    connection.execute(
        "create or replace temp table chains (n integer, staff_id varchar, manager_id varchar, valid_from date,"
        " valid_to date)"
    )
    for act in in_force:
        with files.attached(connection, act.file(home), "one_closing"):
            connection.execute("insert into closed_sums by name from one_closing.exact_sums")
            connection.execute(f"insert into chains by name select {act.n} as n, * from one_closing.chain")
            for name in ("adjustments", "adjustment_evidence"):
                insert_shared(connection, name, f"one_closing.{name}")


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
            {", ".join(
                f"case when abs(coalesce(fresh.{m}, 0) - coalesce(known.{m}, 0))"
                f" > {TOLERANCE} * greatest(abs(coalesce(fresh.{m}, 0))::double, abs(coalesce(known.{m}, 0))::double)"
                f" then coalesce(fresh.{m}, 0) - coalesce(known.{m}, 0) else 0 end as {m}"
                for m in _MEASURES
            )}
        from fresh
        full join known
            on {" and ".join(f"fresh.{name} is not distinct from known.{name}" for name in _ROW)}
    )
    select differences.*, computed.value as fresh_value
    from differences
    left join marts.kpi_values as computed
        on {" and ".join(f"differences.{name} is not distinct from computed.{name}" for name in _ROW)}
    where {" or ".join(f"differences.{m} <> 0" for m in _MEASURES)}
"""  # fmt: skip


def _open_evidence(in_force: tuple[Act, ...]) -> str:
    """SQL that inserts the records that count on one side of an open adjustment alone.

    Known is what was closed, without the records that acts took from it and with those that they put to it. Its teams
    are those of the newest act of the grain, which took up all that was open then.
    """
    columns = ", ".join(_EVIDENCE)
    newest = {grain: act.n for act in in_force for grain in act.grains}
    act_of_grain = " ".join(f"when {literal(grain)} then {n}" for grain, n in newest.items())
    of_newest = f"chain.n = case records.period_grain {act_of_grain} end"
    taken = f"select {columns} from closing.adjustment_evidence where side = "
    # A contract of nothing that is signed and cancelled on one day has two equal records: copies are numbered.
    copies = f"row_number() over (partition by of_scope, of_staff, {columns}) as copy"
    return f"""
        insert into closing.adjustment_evidence by name
        with known as (
            (
                select {columns} from closing.kpi_evidence where kpi <> {literal(sums.PRIVATE)}
                union all
                {taken} 'fresh'
            )
            except all
            {taken} 'closed'
        ),
        fresh as (
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
    columns = ", ".join(f"records.{name}" for name in _EVIDENCE)
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
