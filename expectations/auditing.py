"""The audit: both suites against the warehouse, by Great Expectations, with the work done in DuckDB.

What cannot be judged counts as failed: an expectation that raises, whose table is missing, or of which no result
comes back is a blocking finding. Nothing is true by default.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from amkpi.settings import Settings
from expectations import duckdb_dialect
from expectations.declaring import Builtin, Expected, NoRows, Suite
from expectations.findings import Finding
from expectations.marts_suite import marts_suite
from expectations.raw_suite import raw_suite

# How many offenders a finding names; it counts all of them.
SHOWN = 5
# A finding is a line in a mail and a cell in a table.
LONGEST_LINE = 300


def audit_warehouse(warehouse: Path, settings: Settings, progress: Callable[[str], None]) -> list[Finding]:
    """Judge the warehouse by every expectation of both suites: a finding for each, in the order declared.

    `progress` gets a line a table. The file is opened for reading only, and closed on return. Raises nothing for what
    is wrong with the warehouse: that is in the findings.
    """
    return audit_suites(warehouse, settings, (raw_suite(settings), marts_suite(settings)), progress)


def audit_suites(
    warehouse: Path, settings: Settings, suites: Sequence[Suite], progress: Callable[[str], None]
) -> list[Finding]:
    """Judge the warehouse by these suites. As `audit_warehouse`."""
    found: dict[tuple[str, str], Finding] = {}
    surplus: list[Finding] = []
    try:
        with _opened(warehouse, settings) as source:
            for suite in suites:
                for table, expected in suite.by_table().items():
                    progress(f"{suite.name}: {table}, {len(expected)} expectations")
                    for finding in _judge(source, suite, table, expected):
                        # Two results under one name: one of the two would be lost.
                        if (suite.name, finding.expectation) in found:
                            surplus.append(_miscounted(suite, table, "more results than expectations"))
                        found[suite.name, finding.expectation] = finding
    except Exception as error:  # noqa: BLE001 - whatever keeps the audit from running must block, not pass
        reason = _one_line(error)
    else:
        reason = "no result came back"
    declared = [(suite, expected) for suite in suites for expected in suite.expected]
    findings = [
        found.pop((suite.name, each.name), None) or _could_not_run(suite, each, reason) for suite, each in declared
    ]
    return [*findings, *found.values(), *surplus]
