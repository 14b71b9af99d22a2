"""Run an audit in a test, and read its findings."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

from amkpi.core.findings import Finding
from amkpi.core.settings import Settings
from amkpi.expectations.context import AuditContext
from amkpi.expectations.runner import audit_suites, audit_warehouse

AS_OF = date(2026, 3, 20)
LOADED_AT = datetime(2026, 3, 20, 14, tzinfo=UTC)
CONTEXT = AuditContext(AS_OF, LOADED_AT)


def silent(line: str) -> None:
    """A progress that shows nothing."""


def audit(warehouse: Path, settings: Settings, context: AuditContext = CONTEXT) -> dict[str, Finding]:
    """The finding of each expectation."""
    findings = audit_warehouse(warehouse, settings, context, silent)
    by_name = {finding.expectation: finding for finding in findings}
    assert len(by_name) == len(findings)
    return by_name


def audit_raw(warehouse: Path, settings: Settings, context: AuditContext = CONTEXT) -> dict[str, Finding]:
    """The finding of each expectation of the suite `raw`."""
    from amkpi.expectations.discovery import all_suites

    raw = [suite for suite in all_suites() if suite.name == "raw"]
    return {finding.expectation: finding for finding in audit_suites(warehouse, settings, context, raw, silent)}


def failed(findings: dict[str, Finding]) -> set[str]:
    """The names of the expectations that failed."""
    return {name for name, finding in findings.items() if not finding.success}


def blocking(findings: dict[str, Finding]) -> set[str]:
    """The names of the expectations that failed and block the publication."""
    return {name for name, finding in findings.items() if finding.blocks}
