"""The audit: all suites against the warehouse, by Great Expectations, with the work done in DuckDB.

What cannot be judged counts as failed: an expectation that raises, whose table is missing, or of which no result
comes back is a blocking finding. Nothing is true by default.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from amkpi.core.findings import Finding
from amkpi.core.settings import Settings
from amkpi.expectations.context import Occasion
from amkpi.expectations.declaration import Builtin, Expected, NoRows, Suite
from amkpi.expectations.suites.agency import agency_suite
from amkpi.expectations.suites.marts import marts_suite
from amkpi.expectations.suites.raw import raw_suite

Progress = Callable[[str], None]

# How many offenders the line of a finding names, and how many rows it keeps; it counts all of them.
SHOWN = 3
KEPT = 20
# What DuckDB says of an error may hold the whole query; a finding is a line in a mail and a cell in a table.
LONGEST_ERROR = 300


def audit_warehouse(warehouse: Path, settings: Settings, occasion: Occasion, progress: Progress) -> list[Finding]:
    """Judge the warehouse by every expectation of all suites: one finding for each.

    `progress` gets a line a table. The file is opened for reading only, and closed on return. Raises nothing for what
    is wrong with the warehouse or the expectations: that is in the findings, and blocks.
    """
    return audit_suites(warehouse, settings, all_suites(settings, occasion), progress, occasion.published)


def nothing_could_run(settings: Settings, occasion: Occasion, reason: object) -> list[Finding]:
    """The findings of an audit that did not come about: each expectation is without a verdict, and blocks."""
    line = _one_line(reason)
    return [
        _could_not_run(suite, expected, line) for suite in all_suites(settings, occasion) for expected in suite.expected
    ]


def all_suites(settings: Settings, occasion: Occasion) -> tuple[Suite, ...]:
    """What is asked on this occasion."""
    return raw_suite(settings, occasion), agency_suite(settings, occasion), marts_suite(settings)


def audit_suites(
    warehouse: Path, settings: Settings, suites: Sequence[Suite], progress: Progress, published: Path | None = None
) -> list[Finding]:
    """Judge the warehouse by these suites; what `published` holds they read as `published`. As `audit_warehouse`."""
    try:
        source = _open(warehouse, settings, published)
    except Exception as error:  # noqa: BLE001 - whatever keeps the audit from running must block, not pass
        return [_could_not_run(suite, each, _one_line(error)) for suite in suites for each in suite.expected]
    try:
        findings = []
        for suite in suites:
            for table, expected in suite.by_table().items():
                progress(f"{suite.name}: {table}, {len(expected)} expectation{'' if len(expected) == 1 else 's'}")
                findings += _judge(source, suite, table, expected)
        return findings
    finally:
        _close(source)


def import_great_expectations() -> None:
    """Import what an audit needs, ahead of it. Raises what importing raises."""
    import duckdb_engine  # noqa: F401 - SQLAlchemy imports it by name
    import great_expectations.expectations  # noqa: F401


def _open(warehouse: Path, settings: Settings, published: Path | None) -> Any:
    """The warehouse as a data source of a context that lives in memory and tells nobody."""
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
    # The path is no part of the URL: a folder may hold any sign.
    options = {
        "database": str(warehouse),
        "read_only": True,
        "attached": {} if published is None else {"published": str(published)},
        "config": {"memory_limit": settings.storage.memory_limit, "temp_directory": str(warehouse.parent / "spill")},
    }
    return context.data_sources.add_sql("warehouse", connection_string=dialect.URL, kwargs={"connect_args": options})


def _close(source: Any) -> None:
    """Close every connection: the next step opens the file for writing, in this process."""
    # The data source connects by itself to look at tables, its execution engine to judge them.
    source.get_execution_engine().close()
    source.get_engine().dispose()


def _judge(source: Any, suite: Suite, table: str, expected: Sequence[Expected]) -> list[Finding]:
    """A finding for each expectation of one table, and one more if Great Expectations miscounts."""
    try:
        asked = [_of_doubt(each) for each in expected]
        results = _results(source, f"{suite.name}: {table}", table, asked)
        findings = [_finding(suite, each, results) for each in asked]
        # Where there is a doubt, or nobody could say, the offenders themselves are asked for.
        for place, each in enumerate(expected):
            if each != asked[place] and not findings[place].success:
                again = _results(source, f"{suite.name}: {table}: {each.name}", table, [each])
                findings[place] = _finding(suite, each, again)
    except Exception as error:  # noqa: BLE001 - Great Expectations raises whatever its parts raise; all of it blocks
        return [_could_not_run(suite, each, _one_line(error)) for each in expected]
    if len(results) != len(expected):
        findings.append(
            Finding(
                suite=suite.name,
                expectation="every_expectation_is_judged",
                table_name=table,
                column_name=None,
                success=False,
                severity="blocking",
                observed=f"{len(results)} results for {len(expected)} expectations",
                unexpected_count=abs(len(results) - len(expected)),
                advice=_COULD_NOT_RUN,
            )
        )
    return findings


def _of_doubt(expected: Expected) -> Expected:
    """The expectation as it is asked first."""
    rule = expected.rule
    if isinstance(rule, NoRows) and rule.doubt:
        return replace(expected, rule=replace(rule, offenders=rule.doubt, rows="", doubt=""))
    return expected


def _results(source: Any, name: str, table: str, expected: Sequence[Expected]) -> list[Any]:
    """Great Expectations' results for one table, in any order. Raises what it raises.

    name: under which it keeps what is asked; another each time.
    """
    from great_expectations import ExpectationSuite

    schema, of_table = table.split(".")
    asset = source.add_table_asset(name, table_name=of_table, schema_name=schema)
    batch = asset.add_batch_definition_whole_table("all rows").get_batch()
    asked = ExpectationSuite(name=name, expectations=[_asked(each) for each in expected])
    # SUMMARY, because below it no keys are given.
    shape: dict[str, Any] = {"result_format": "SUMMARY", "partial_unexpected_count": KEPT}
    keys = next((each.rule.keys for each in expected if isinstance(each.rule, Builtin) and each.rule.keys), ())
    if keys:
        shape["unexpected_index_column_names"] = list(keys)
    return list(batch.validate(asked, result_format=shape).results)


# Limited here: the cursor fetches all that a query gives. The rows come last: a part of their own, that counts nothing.
_LIMITED = f"""
    with found as ({{}})
    (
        select false as is_row, what, count(*) over () as offenders
        from found
        order by what
        limit {KEPT}
    )
    {{}}
    order by is_row, what
"""
_ROWS = f"select true, what, 0 from ({{}}) as concerned where exists (select 1 from found) order by what limit {KEPT}"


def _asked(expected: Expected) -> Any:
    """The declared expectation as Great Expectations' own object."""
    from great_expectations import expectations

    about: dict[str, Any] = {
        "meta": {"name": expected.name},
        "severity": "critical" if expected.severity == "blocking" else "warning",
    }
    rule = expected.rule
    if isinstance(rule, NoRows):
        query = _LIMITED.format(rule.offenders, f"union all ({_ROWS.format(rule.rows)})" if rule.rows else "")
        return _no_rows_expectation()(unexpected_rows_query=query, **about)
    return getattr(expectations, rule.type)(column=expected.column, **rule.kwargs, **about)


@cache
def _no_rows_expectation() -> Any:
    """The class for NoRows: as UnexpectedRowsExpectation, but it runs the query once, not twice, and keeps the rows."""
    from great_expectations.expectations import UnexpectedRowsExpectation

    class ExpectNoRows(UnexpectedRowsExpectation):  # type: ignore[misc]  # Great Expectations is not checked
        metric_dependencies = ("unexpected_rows_query.table",)

        def _validate(
            self, metrics: Mapping[str, Any], runtime_configuration: Any = None, execution_engine: Any = None
        ) -> dict[str, Any]:
            found = metrics["unexpected_rows_query.table"]
            offenders = [str(row["what"]) for row in found if not row["is_row"]]
            rows = [str(row["what"]) for row in found if row["is_row"]]
            return {
                "success": not found,
                "result": {
                    "observed_value": max((row["offenders"] for row in found), default=0),
                    "details": {"offenders": offenders, "rows": rows or offenders},
                },
            }

    return ExpectNoRows


def _finding(suite: Suite, expected: Expected, results: Sequence[Any]) -> Finding:
    """The finding for an expectation, from its result among those of its table."""
    own = [result for result in results if result.expectation_config.meta.get("name") == expected.name]
    if len(own) != 1:
        return _could_not_run(suite, expected, f"{len(own)} results came back")
    result = own[0]
    error = _error(result.exception_info)
    if error is not None:
        return _could_not_run(suite, expected, error)
    if isinstance(expected.rule, NoRows):
        count = result.result["observed_value"]
        counted = f"{count} {expected.rule.one if count == 1 else expected.rule.many}"
        examples = result.result["details"]["offenders"]
        rows_concerned = result.result["details"]["rows"]
    else:
        rows = result.result["element_count"]
        # Of no rows at all it is NULL: a sum over nothing.
        count = result.result["unexpected_count"] if rows else 0
        counted = f"{count} of {rows} rows"
        examples = [str(value) for value in result.result["partial_unexpected_list"]]
        rows_concerned = sorted(
            " ".join(str(value) for value in row.values() if value is not None)
            for row in result.result.get("partial_unexpected_index_list") or []
        )
    if count > SHOWN:
        examples = [*examples[:SHOWN], "…"]
    return Finding(
        suite=suite.name,
        expectation=expected.name,
        table_name=expected.table,
        column_name=expected.column,
        success=result.success is True,
        severity=expected.severity,
        observed=f"{counted}: {'; '.join(examples)}" if examples else counted,
        unexpected_count=count,
        advice=expected.advice,
        rows=tuple(rows_concerned),
    )


_COULD_NOT_RUN = (
    "The check itself failed, so nobody knows whether the figures are right. Build again; if it stays, report it with"
    " this line: the last good publication stays in place meanwhile."
)


def _could_not_run(suite: Suite, expected: Expected, reason: str) -> Finding:
    """The finding for an expectation without a verdict; it blocks, be the expectation itself only a warning."""
    return Finding(
        suite=suite.name,
        expectation=expected.name,
        table_name=expected.table,
        column_name=expected.column,
        success=False,
        severity="blocking",
        observed=f"could not run: {reason}",
        unexpected_count=0,
        advice=_COULD_NOT_RUN,
    )


def _error(exception_info: Mapping[str, Any]) -> str | None:
    """What was raised, if anything: Great Expectations gives it for the expectation, or for each of its metrics."""
    infos = [exception_info] if "raised_exception" in exception_info else list(exception_info.values())
    for info in infos:
        if info["raised_exception"]:
            return _one_line(info["exception_message"])
    return None


def _one_line(error: object) -> str:
    lines = str(error).strip().splitlines()
    line = lines[0].strip() if lines else type(error).__name__
    return line if len(line) <= LONGEST_ERROR else line[: LONGEST_ERROR - 1] + "…"
