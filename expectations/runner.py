"""The audit: runs all suites against the warehouse with Great Expectations; DuckDB does the work.

An expectation without a result counts as failed: if it raises, if its table is missing, or if Great Expectations
returns nothing for it, the finding is blocking. No expectation passes by default.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amkpi.core.findings import EXAMPLES, MOST_ROWS, Finding
from amkpi.core.settings import Settings
from amkpi.expectations.context import AuditContext
from amkpi.expectations.discovery import Suite, all_suites

if TYPE_CHECKING:
    from amkpi.expectations.expectation import AuditExpectation

Progress = Callable[[str], None]

# An error of DuckDB may contain the whole query. A finding must fit into a line of a mail and a cell of a table.
LONGEST_ERROR = 300
# The finding that reports that expectations have no result.
ALL_CHECKED = "every_expectation_is_judged"
_COULD_NOT_RUN = (
    "Run `amkpi build` and `amkpi audit` again; if it fails again, report it with this line. The check itself failed,"
    " so nobody knows whether the figures are right; the last good publication stays in place."
)


def audit_warehouse(warehouse: Path, settings: Settings, context: AuditContext, progress: Progress) -> list[Finding]:
    """Run all expectations against the warehouse; returns one finding for each.

    `progress` gets a line for each table. The file is opened read-only and closed on return. Errors in the warehouse or
    in the expectations are not raised: they become blocking findings.
    """
    try:
        suites = all_suites()
    except Exception as error:  # noqa: BLE001 - whatever stops the audit must block the publication
        return [audit_could_not_run(error)]
    return audit_suites(warehouse, settings, context, suites, progress)


def audit_could_not_run(reason: object) -> Finding:
    """The only finding of an audit that did not run at all; it blocks."""
    return _without_result("audit", ALL_CHECKED, "warehouse", f"could not run: {_one_line(reason)}")


def audit_suites(
    warehouse: Path, settings: Settings, context: AuditContext, suites: Sequence[Suite], progress: Progress
) -> list[Finding]:
    """Run these suites; otherwise as `audit_warehouse`. Queries read the publication in `context` as `published`."""
    try:
        source = _open(warehouse, settings, context.published)
    except Exception as error:  # noqa: BLE001 - as above
        return [_could_not_run(suite, each, error) for suite in suites for each in suite.expectations]
    try:
        findings = []
        for suite in suites:
            for table, expectations in suite.by_table().items():
                count = len(expectations)
                progress(f"{suite.name}: {table}, {count} expectation{'' if count == 1 else 's'}")
                findings += _TableAudit(source, settings, context, suite, table).run(expectations)
        return findings
    finally:
        _close(source)


def preload() -> None:
    """Import Great Expectations and all expectations, before they are needed. Raises what an import raises."""
    import duckdb_engine  # noqa: F401 - SQLAlchemy imports it by name

    all_suites()


def _open(warehouse: Path, settings: Settings, published: Path | None) -> Any:
    """The warehouse as a data source of a context that is kept in memory and sends no analytics."""
    from great_expectations import get_context
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    from amkpi.expectations import dialect

    dialect.register()
    context = get_context(
        mode="ephemeral",
        project_config=DataContextConfig(
            store_backend_defaults=InMemoryStoreBackendDefaults(),
            analytics_enabled=False,
            progress_bars=ProgressBarsConfig(globally=False),
        ),
    )
    # It would be written as YAML for each table and each suite, which nobody reads: half of the time of an audit.
    context._save_project_config = lambda: None
    # The path is not part of the URL, because a folder name may contain any character.
    options = {
        "database": str(warehouse),
        "read_only": True,
        "attached": {} if published is None else {"published": str(published)},
        "config": {"memory_limit": settings.storage.memory_limit, "temp_directory": str(warehouse.parent / "spill")},
    }
    return context.data_sources.add_sql("warehouse", connection_string=dialect.URL, kwargs={"connect_args": options})


def _close(source: Any) -> None:
    """Close every connection: the next step opens the file for writing, in this process."""
    # The data source has a connection to inspect tables, and its execution engine another to check them.
    source.get_execution_engine().close()
    source.get_engine().dispose()


class _TableAudit:
    """Checks the expectations of one table."""

    def __init__(self, source: Any, settings: Settings, context: AuditContext, suite: Suite, table: str) -> None:
        self._source = source
        self._settings = settings
        self._context = context
        self._suite = suite
        self._table = table

    def run(self, expectations: Sequence[type[AuditExpectation]]) -> list[Finding]:
        """A finding for each expectation, and one more if Great Expectations returns another number of results."""
        try:
            return self._run(expectations)
        except Exception as error:  # noqa: BLE001 - Great Expectations raises errors of any type; all of them block
            return [_could_not_run(self._suite, each, error) for each in expectations]

    def _run(self, expectations: Sequence[type[AuditExpectation]]) -> list[Finding]:
        given = self._settings, self._context
        prechecks = {each: each.precheck_question(*given) for each in expectations}
        results = self._results(self._table, [prechecks[each] or each.question(*given) for each in expectations])
        findings = [self._finding(each, results) for each in expectations]
        for place, each in enumerate(expectations):
            if prechecks[each] is not None and not findings[place].success:
                again = self._results(f"{self._table}: {each.name}", [each.question(*given)])
                findings[place] = self._finding(each, again)
        if len(results) != len(expectations):
            observed = f"{len(results)} results for {len(expectations)} expectations"
            findings.append(_without_result(self._suite.name, ALL_CHECKED, self._table, observed))
        return findings

    def _results(self, name: str, questions: Sequence[Any]) -> list[Any]:
        """The results of Great Expectations, in any order. Raises what it raises. name: different in each call."""
        from great_expectations import ExpectationSuite

        name = f"{self._suite.name}: {name}"
        schema, table = self._table.split(".")
        asset = self._source.add_table_asset(name, table_name=table, schema_name=schema)
        batch = asset.add_batch_definition_whole_table("all rows").get_batch()
        # SUMMARY is the lowest level that returns the keys of rows.
        result_format: dict[str, Any] = {"result_format": "SUMMARY", "partial_unexpected_count": MOST_ROWS}
        keys = next((keys for each in questions if (keys := getattr(each, "keys", ()))), ())
        if keys:
            result_format["unexpected_index_column_names"] = list(keys)
        suite = ExpectationSuite(name=name, expectations=list(questions))
        return list(batch.validate(suite, result_format=result_format).results)

    def _finding(self, expectation: type[AuditExpectation], results: Sequence[Any]) -> Finding:
        """The finding for an expectation, from its result among those of its table."""
        own = [result for result in results if result.expectation_config.meta.get("name") == expectation.name]
        if len(own) != 1:
            return _could_not_run(self._suite, expectation, f"{len(own)} results came back")
        (result,) = own
        error = _error(result.exception_info)
        if error is not None:
            return _could_not_run(self._suite, expectation, error)
        outcome = expectation.outcome(result.result)
        success = result.success is True
        examples = "; ".join(outcome.examples[:EXAMPLES]) + ("; …" if outcome.count > EXAMPLES else "")
        observed = f"{outcome.counted}: {examples}" if outcome.examples else outcome.counted
        return Finding(
            suite=self._suite.name,
            expectation=expectation.name,
            table_name=expectation.table,
            column_name=expectation.column_name,
            success=success,
            severity=expectation.finding_severity(),
            observed=observed + (expectation.note(self._context) if success else ""),
            unexpected_count=outcome.count,
            advice=expectation.advice,
            rows=outcome.rows,
        )


def _could_not_run(suite: Suite, expectation: type[AuditExpectation], reason: object) -> Finding:
    """The finding for an expectation without a result. It blocks, even if the expectation is only a warning."""
    observed = f"could not run: {_one_line(reason)}"
    return _without_result(suite.name, expectation.name, expectation.table, observed, expectation.column_name)


def _without_result(suite: str, name: str, table: str, observed: str, column: str | None = None) -> Finding:
    return Finding(
        suite=suite,
        expectation=name,
        table_name=table,
        column_name=column,
        success=False,
        severity="blocking",
        observed=observed,
        unexpected_count=0,
        advice=_COULD_NOT_RUN,
    )


def _error(exception_info: Mapping[str, Any]) -> str | None:
    """The error of a result, if any. Great Expectations reports one for the expectation, or one for each metric."""
    infos = [exception_info] if "raised_exception" in exception_info else list(exception_info.values())
    for info in infos:
        if info["raised_exception"]:
            return str(info["exception_message"])
    return None


def _one_line(error: object) -> str:
    lines = str(error).strip().splitlines()
    line = lines[0].strip() if lines else type(error).__name__
    return line if len(line) <= LONGEST_ERROR else line[: LONGEST_ERROR - 1] + "…"
