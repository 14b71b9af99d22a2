"""What an audit finds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Severity = Literal["blocking", "warning"]


@dataclass(frozen=True)
class Finding:
    """One expectation and what was seen.

    suite: `raw` and `marts` are borders, `agency` what the data says. observed: what was seen, in words or a number.
    unexpected_count: rows that fail it. advice: what a person does about it, shown when it fails. rows: the rows
    concerned, as text, a limited number. since: the first audit of those in a row that saw it fail, as far as anybody
    remembers.
    """

    suite: str
    expectation: str
    table_name: str
    column_name: str | None
    success: bool
    severity: Severity
    observed: str
    unexpected_count: int
    advice: str
    rows: tuple[str, ...] = ()
    since: datetime | None = None

    @property
    def blocks(self) -> bool:
        """Whether this must keep the build from being published."""
        return not self.success and self.severity == "blocking"
