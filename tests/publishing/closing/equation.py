"""What must hold in every publication with closings, asked of the published file alone."""

from __future__ import annotations

from pathlib import Path

import duckdb

CLOSABLE = ("kpi_values", "kpi_evidence", "scorecards", "scorecard_lines", "supporting_measures")
KEY = ("kpi", "scope", "staff_id", "period_grain", "period_start")


def rows_not_as_closed(publication: Path, closing_file: Path) -> dict[str, int]:
    """By mart, how many rows of the file's periods the two do not share; those without a difference left out."""
    found = {}
    with duckdb.connect() as connection:
        connection.execute(f"attach '{publication}' as seen (read_only)")
        connection.execute(f"attach '{closing_file}' as closed (read_only)")
        for mart in CLOSABLE:
            of_file = f"from seen.marts.{mart} semi join closed.periods using (period_grain, period_start)"
            assert connection.execute(f"select count(*) from closed.{mart}").fetchall()[0][0] > 0
            assert connection.execute(f"select bool_and(is_closed) {of_file}").fetchall() == [(True,)]
            found[mart] = connection.execute(
                f"select count(*) from ((select * exclude (is_closed) {of_file} except all from closed.{mart})"
                f" union all (from closed.{mart} except all select * exclude (is_closed) {of_file}))"
            ).fetchall()[0][0]
    return {mart: count for mart, count in found.items() if count}


def broken_equations(publication: Path) -> list[tuple[object, ...]]:
    """The rows of which closed + carried + open is not what the same period gives from everything, with both sides."""
    same = " and ".join(f"a.{name} is not distinct from b.{name}" for name in KEY)
    with duckdb.connect(str(publication), read_only=True) as connection:
        return connection.execute(
            f"""
            with closed as (
                from marts.kpi_values where is_closed and kpi <> 'internal_collaboration_score'
            ),
            fresh as (
                select * from internal_fresh.kpi_values
                semi join internal_closing.periods using (period_grain, period_start)
                where kpi <> 'internal_collaboration_score'
            ),
            adjusted as (
                select {", ".join(KEY)}, sum(numerator)::double as numerator, sum(denominator)::double as denominator,
                    sum(sample_size) as sample_size
                from marts.adjustments group by all
            ),
            known as (
                select {", ".join(KEY)}, sum(coalesce(numerator, 0)) as numerator,
                    sum(coalesce(denominator, 0)) as denominator, sum(sample_size) as sample_size
                from (
                    select {", ".join(KEY)}, numerator, denominator, sample_size from closed
                    union all select {", ".join(KEY)}, numerator, denominator, sample_size from adjusted
                ) group by all
            )
            select coalesce(a.kpi, b.kpi), coalesce(a.scope, b.scope), coalesce(a.staff_id, b.staff_id),
                coalesce(a.period_start, b.period_start), a.numerator, b.numerator, a.denominator, b.denominator,
                a.sample_size, b.sample_size
            from known as a full join fresh as b on {same}
            where abs(coalesce(a.numerator, 0) - coalesce(b.numerator, 0))
                    > 1e-9 * greatest(abs(coalesce(a.numerator, 0)), abs(coalesce(b.numerator, 0)))
                or abs(coalesce(a.denominator, 0) - coalesce(b.denominator, 0))
                    > 1e-9 * greatest(abs(coalesce(a.denominator, 0)), abs(coalesce(b.denominator, 0)))
                or coalesce(a.sample_size, 0) <> coalesce(b.sample_size, 0)
            """
        ).fetchall()


def evidence_that_does_not_add_up(publication: Path) -> list[tuple[object, ...]]:
    """The own adjustments that are not the difference of their two sides of evidence."""
    with duckdb.connect(str(publication), read_only=True) as connection:
        return connection.execute(
            """
            with sides as (
                select kpi, staff_id, period_grain, period_start, carried_to,
                    sum(case side when 'fresh' then 1 else -1 end * coalesce(numerator, 0)) as numerator,
                    sum(case side when 'fresh' then 1 else -1 end * coalesce(denominator, 0)) as denominator
                from marts.adjustment_evidence group by all
            )
            select a.kpi, a.staff_id, a.period_start, a.carried_to, a.numerator, sides.numerator, a.denominator,
                sides.denominator
            from marts.adjustments as a
            left join sides using (kpi, staff_id, period_grain, period_start)
            where a.scope = 'own' and a.carried_to is not distinct from sides.carried_to and (
                abs(a.numerator::double - sides.numerator) > 1e-6 * greatest(1, abs(sides.numerator))
                or abs(a.denominator::double - sides.denominator) > 1e-6 * greatest(1, abs(sides.denominator))
            )
            """
        ).fetchall()
