"""Pay may hang on a score of a period that was over and that is different now."""

from __future__ import annotations

from amkpi.core.settings import Settings
from amkpi.expectations.context import AuditContext
from amkpi.expectations.expectation import WARNING, FailingRowsExpectation
from amkpi.expectations.sql import earlier_publication
from amkpi.expectations.sql.kpis import is_private, listed, names
from amkpi.expectations.sql.numbers import TOLERANCE

# What is compared of a line and of a scorecard. Values have an expectation of their own.
_OF_LINES = ("target", "weight", "attainment")
_OF_SCORECARDS = ("weighted_score", "rating")


class ClosedScorecardsStandStill(FailingRowsExpectation):
    """Targets, weights, attainments, scores and ratings of periods that were over in the last publication are the same.

    Whatever was mailed, and whatever the date of that publication. Periods that are closed by `amkpi close` are left
    out: readers see their closed rows.
    """

    name = "closed_scorecards_stand_still"
    table = "marts.scorecards"
    column_name = "weighted_score"
    severity = WARNING
    singular, plural = "line or scorecard", "lines and scorecards"
    advice = (
        "Find the cause before anybody is paid by these scores: a changed or late row of kpi_targets, another role or"
        " manager in staff, changed values (closed_periods_stand_still), or a setting of the scores. `amkpi explain KPI"
        " STAFF_ID PERIOD` shows how a target came about. If the new figures are right, tell those who were shown the"
        " old ones. Close a period once it is paid (`amkpi close`): then it does not change."
    )

    @classmethod
    def note(cls, context: AuditContext) -> str:
        return earlier_publication.note(context)

    @classmethod
    def failing_rows(cls, settings: Settings, context: AuditContext) -> str:
        if context.published is None:
            return "select rating as what from {batch} where false"
        private = f"(kpi in ({listed(names(is_private))}))"
        return f"""
            with compared as materialized (
                select distinct period_grain, period_start
                from published.marts.scorecards
                where not is_provisional
                except
                select period_grain, period_start from closing.periods
                except
                select period_grain, period_start
                from intermediate.int_periods
                where period_id in ({earlier_publication.kept_periods(context)})
            ),
            lines as ({cls._pairs("scorecard_lines", _OF_LINES, ("kpi",))}),
            scores as ({cls._pairs("scorecards", _OF_SCORECARDS)})
            select kpi || ' ' || place || ': ' || {cls._changes(_OF_LINES, private)} as what
            from lines
            where {cls._differ(_OF_LINES)}
            union all
            select 'scorecard ' || place || ': ' || {cls._changes(_OF_SCORECARDS, "false")} as what
            from scores
            where {cls._differ(_OF_SCORECARDS)}
        """

    @classmethod
    def _pairs(cls, mart: str, columns: tuple[str, ...], more: tuple[str, ...] = ()) -> str:
        """SQL for each row of a mart as it was and as it is: `<column>_before` and `<column>_now`."""
        key = ("scope", "staff_id", "period_grain", "period_start", *more)
        now = "{batch}" if cls.table == f"marts.{mart}" else f"marts.{mart}"
        read = "select {columns} from {source} inner join compared using (period_grain, period_start)"
        named = [f"coalesce(cast({each} as varchar), '') as {each}" for each in key]
        old, new = (
            read.format(columns=", ".join([*named, *(f"{each} as {each}_{when}" for each in columns)]), source=source)
            for when, source in (("before", f"published.marts.{mart}"), ("now", now))
        )
        place = "scope || case when staff_id = '' then '' else ' ' || staff_id end"
        return (
            f"select *, {place} || ' ' || period_grain || ' ' || period_start as place"
            f" from ({old}) full join ({new}) using ({', '.join(key)})"
        )

    @staticmethod
    def _is_other(column: str) -> str:
        if column == "rating":
            return "rating_before is distinct from rating_now"
        before, now = f"{column}_before", f"{column}_now"
        limit = f"{TOLERANCE} * greatest(abs({before}), abs({now}))"
        return f"(({before} is null) <> ({now} is null) or coalesce(abs({before} - {now}) > {limit}, false))"

    @classmethod
    def _differ(cls, columns: tuple[str, ...]) -> str:
        return " or ".join(map(cls._is_other, columns))

    @classmethod
    def _changes(cls, columns: tuple[str, ...], is_hidden: str) -> str:
        """SQL for what has changed. Of a private KPI no numbers are shown, as its attainment gives its value away."""
        parts = []
        for column in columns:
            shown = column if column == "rating" else f"round({column}, 6)"
            before, now = (
                f"coalesce(cast({shown.replace(column, f'{column}_{when}')} as varchar), 'nothing')"
                for when in ("before", "now")
            )
            word = "score" if column == "weighted_score" else column
            parts.append(
                f"case when {cls._is_other(column)} then '{word}' || case when {is_hidden} then ''"
                f" else ' ' || {before} || ' → ' || {now} end end"
            )
        return f"concat_ws(', ', {', '.join(parts)})"
