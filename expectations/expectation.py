"""The base classes of all expectations. Each is a subclass of a class of Great Expectations.

To add an expectation, add one file below `raw/`, `agency/` or `marts/` with one class of `FailingRowsExpectation` or
`ColumnExpectation`. `discovery.py` finds it. Great Expectations takes 4 to 7 s to import, so only the audit itself
imports this module and those files.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from great_expectations.expectations import Expectation, UnexpectedRowsExpectation
from great_expectations.expectations.metadata_types import FailureSeverity

from amkpi.core.findings import MOST_ROWS, Severity
from amkpi.core.settings import Settings
from amkpi.expectations.context import AuditContext

BLOCKING = FailureSeverity.CRITICAL
WARNING = FailureSeverity.WARNING


@dataclass(frozen=True)
class Outcome:
    """What a result of Great Expectations says.

    count: failures. counted: the same as text, with the noun. examples: the failures by name, a limited number. rows:
    the rows concerned, a limited number; the examples again where each failure is one row.
    """

    count: int
    counted: str
    examples: tuple[str, ...]
    rows: tuple[str, ...]


class AuditExpectation(Expectation):  # type: ignore[misc]  # mypy does not follow Great Expectations
    """One question of the audit. Subclasses set these attributes.

    name: the name of the file, and of the expectation in `quality_results`. table: with its schema. column_name: the
    column in question, if it is one. advice: what a person does when it fails. severity: BLOCKING or WARNING.
    """

    name: ClassVar[str]
    table: ClassVar[str]
    column_name: ClassVar[str | None] = None
    advice: ClassVar[str]

    severity = BLOCKING

    @classmethod
    @abstractmethod
    def question(cls, settings: Settings, context: AuditContext) -> Self:
        """The expectation as Great Expectations checks it: an instance with its arguments."""

    @classmethod
    def precheck_question(cls, settings: Settings, context: AuditContext) -> Self | None:
        """A cheaper question that is asked first; if it passes, `question` is not asked. None if there is none."""
        return None

    @classmethod
    @abstractmethod
    def outcome(cls, result: Mapping[str, Any]) -> Outcome:
        """Read the `result` of Great Expectations for this question."""

    @classmethod
    def finding_severity(cls) -> Severity:
        """The severity as findings and `quality_results` name it."""
        return "blocking" if cls.__fields__["severity"].default == BLOCKING else "warning"

    @classmethod
    def note(cls, context: AuditContext) -> str:
        """Text to add to what was observed when the expectation passes; empty for most."""
        return ""


# All rows of a query are fetched, so it is limited here. `offenders` is the count of all failures. The rows concerned
# follow in the same result, marked by `is_row`.
_LIMITED = """
    with found as ({failing_rows})
    (
        select false as is_row, what, count(*) over () as offenders
        from found
        order by what
        limit {most_rows}
    )
    {concerned_rows}
    order by is_row, what
"""
_CONCERNED = """
    union all
    (
        select true, what, 0
        from ({concerned_rows}) as concerned
        where exists (select 1 from found)
        order by what
        limit {most_rows}
    )
"""


class FailingRowsExpectation(AuditExpectation, UnexpectedRowsExpectation):  # type: ignore[misc]  # as above
    """A query that must return no rows.

    singular, plural: what one returned row is called. most_rows: how many rows a finding keeps. In a query `{batch}` is
    the table of the expectation; any other brace is doubled. SQLAlchemy takes a colon before a letter for a parameter,
    so a query must not contain one.
    """

    singular: ClassVar[str] = "row"
    plural: ClassVar[str] = "rows"
    most_rows: ClassVar[int] = MOST_ROWS
    # Without the row count of the base class, which would run the query a second time.
    metric_dependencies: ClassVar[tuple[str, ...]] = ("unexpected_rows_query.table",)

    @classmethod
    @abstractmethod
    def failing_rows(cls, settings: Settings, context: AuditContext) -> str:
        """SQL that returns one row for each failure; its column `what` names it, with the numbers that matter."""

    @classmethod
    def concerned_rows(cls, settings: Settings, context: AuditContext) -> str:
        """SQL for the rows behind the failures, if a failure is more than one row (a file, an extract).

        Its column `what` names a row. It may read the failures as `found`.
        """
        return ""

    @classmethod
    def precheck(cls, settings: Settings, context: AuditContext) -> str:
        """Cheap SQL that returns a row whenever `failing_rows` would; empty if there is none."""
        return ""

    @classmethod
    def question(cls, settings: Settings, context: AuditContext) -> Self:
        return cls._of(cls.failing_rows(settings, context), cls.concerned_rows(settings, context))

    @classmethod
    def precheck_question(cls, settings: Settings, context: AuditContext) -> Self | None:
        precheck = cls.precheck(settings, context)
        return cls._of(precheck) if precheck else None

    @classmethod
    def _of(cls, failing_rows: str, concerned_rows: str = "") -> Self:
        most = cls.most_rows
        concerned = _CONCERNED.format(concerned_rows=concerned_rows, most_rows=most) if concerned_rows else ""
        query = _LIMITED.format(failing_rows=failing_rows, concerned_rows=concerned, most_rows=most)
        return cls(unexpected_rows_query=query, meta={"name": cls.name})

    @classmethod
    def outcome(cls, result: Mapping[str, Any]) -> Outcome:
        count = result["observed_value"]
        examples, rows = tuple(result["details"]["offenders"]), tuple(result["details"]["rows"])
        return Outcome(count, f"{count} {cls.singular if count == 1 else cls.plural}", examples, rows or examples)

    def _validate(
        self, metrics: Mapping[str, Any], runtime_configuration: Any = None, execution_engine: Any = None
    ) -> dict[str, Any]:
        """As in the base class, and the result keeps the rows that were found."""
        found = metrics["unexpected_rows_query.table"]
        return {
            "success": not found,
            "result": {
                "observed_value": max((row["offenders"] for row in found), default=0),
                "details": {
                    "offenders": [str(row["what"]) for row in found if not row["is_row"]],
                    "rows": [str(row["what"]) for row in found if row["is_row"]],
                },
            },
        }


class ColumnExpectation(AuditExpectation):
    """One of the expectations on column values that Great Expectations ships, with the arguments of this project.

    A subclass names the shipped class as its second base. keys: the columns that name a row; the same for all
    expectations of a table.
    """

    keys: ClassVar[tuple[str, ...]] = ()

    @classmethod
    @abstractmethod
    def arguments(cls, settings: Settings, context: AuditContext) -> Mapping[str, Any]:
        """The arguments of the shipped class, besides the column."""

    @classmethod
    def question(cls, settings: Settings, context: AuditContext) -> Self:
        return cls(column=cls.column_name, **cls.arguments(settings, context), meta={"name": cls.name})

    @classmethod
    def outcome(cls, result: Mapping[str, Any]) -> Outcome:
        of_rows = result["element_count"]
        # In an empty table the count is NULL.
        count = result["unexpected_count"] if of_rows else 0
        return Outcome(
            count,
            f"{count} of {of_rows} row{'' if of_rows == 1 else 's'}",
            tuple(str(value) for value in result["partial_unexpected_list"]),
            tuple(
                sorted(
                    " ".join(str(value) for value in row.values() if value is not None)
                    for row in result.get("partial_unexpected_index_list") or []
                )
            ),
        )
