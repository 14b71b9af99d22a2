"""How an expectation is declared: as data. What runs it is `amkpi.expectations.runner`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from amkpi.core.findings import Severity


@dataclass(frozen=True)
class NoRows:
    """A query must find nothing: Great Expectations' UnexpectedRowsExpectation.

    offenders: SQL that gives a row for each offender, whose column `what` names it with its numbers; `{batch}` in it is
    the expectation's table. one, many: what an offender is called. rows: where an offender is more than a row (a file,
    an extract), SQL that gives the rows concerned in a column `what`; it may read the offenders as `found`. SQLAlchemy
    reads a colon before a letter as a parameter: write none. A brace that stands for itself is doubled. doubt: cheap
    SQL that finds something wherever `offenders` does: asked first, and where it finds nothing, nothing else is asked.
    """

    offenders: str
    one: str
    many: str
    rows: str = ""
    doubt: str = ""


@dataclass(frozen=True)
class Builtin:
    """An expectation of Great Expectations on the values of the column.

    type: its class name. kwargs: its arguments besides the column. keys: the columns that name a row; the same for all
    of a table.
    """

    type: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Expected:
    """One expectation: what is asked of which table, how grave its failure is, and what a person then does.

    table: with its schema.
    """

    name: str
    table: str
    rule: NoRows | Builtin
    severity: Severity
    advice: str
    column: str | None = None


@dataclass(frozen=True)
class Suite:
    """The expectations at one border."""

    name: str
    expected: tuple[Expected, ...]

    def by_table(self) -> dict[str, tuple[Expected, ...]]:
        """The expectations of each table, in the order declared."""
        tables = dict.fromkeys(each.table for each in self.expected)
        return {table: tuple(each for each in self.expected if each.table == table) for table in tables}
