"""Errors that a person can fix. They are shown as one line, never as a traceback."""

from __future__ import annotations

from amkpi.core.findings import Finding


class AmkpiError(Exception):
    """An error of input, settings or environment. The text tells what, where, and how to fix it. Exit code 1."""

    exit_code = 1


class NothingLoaded(AmkpiError):
    """No file was ever loaded: a publication would be an agency without numbers. Nothing is built."""


class StaleBuild(AmkpiError):
    """The warehouse has no build of its current inputs: something was loaded, or never built. A build fixes it."""


class AuditBlocked(AmkpiError):
    """The audit has a blocking finding. The last good publication stays current. Exit code 3.

    findings: the blocking findings, for the report.
    """

    exit_code = 3

    def __init__(self, message: str, findings: tuple[Finding, ...] = ()) -> None:
        super().__init__(message)
        self.findings = findings


class ClosingsBroken(AuditBlocked):
    """A closing file or the register of closings is not what it was: nothing may be published. Exit code 3."""
