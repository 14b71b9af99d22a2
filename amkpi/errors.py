"""What can go wrong in a way that a person can mend: told in one line, never as a traceback."""

from __future__ import annotations


class AmkpiError(Exception):
    """An error of input, settings or surroundings. The text says what, where, and how to mend it. Exit code 1."""

    exit_code = 1


class AuditBlocked(AmkpiError):
    """The audit found something that must not be published. The last good publication stays. Exit code 3."""

    exit_code = 3
