"""What can go wrong in a way that a person can mend: told in one line, never as a traceback."""

from __future__ import annotations

from amkpi.core.findings import Finding


class AmkpiError(Exception):
    """An error of input, settings or surroundings. The text says what, where, and how to mend it. Exit code 1."""

    exit_code = 1


class StaleBuild(AmkpiError):
    """The warehouse holds no build of its present inputs: something was loaded, or never built. A build mends it."""


class AuditBlocked(AmkpiError):
    """The audit found something that must not be published. The last good publication stays. Exit code 3.

    findings: what the audit found, for the report.
    """

    exit_code = 3

    def __init__(self, message: str, findings: tuple[Finding, ...] = ()) -> None:
        super().__init__(message)
        self.findings = findings
