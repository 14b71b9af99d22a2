"""The result of one expectation of the audit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Severity = Literal["blocking", "warning"]

# How many failures the text of a finding names, and how many rows a finding keeps. All of them are counted.
EXAMPLES = 3
MOST_ROWS = 20


@dataclass(frozen=True)
class Finding:
    """The result of one expectation.

    suite: `raw` checks what came in, `agency` what the data says, `marts` what goes out. observed: what was found, with
    its count. unexpected_count: how many failures. advice: what a person does when it fails. rows: the rows concerned,
    as text, at most MOST_ROWS, or as many as the expectation says. since: when the first audit of the present series of
    failures ran.
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
        """Whether this stops the publication."""
        return not self.success and self.severity == "blocking"
