"""What an audit finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["blocking", "warning"]


@dataclass(frozen=True)
class Finding:
    """One expectation and what was seen.

    suite: the border, `raw` or `marts`. observed: what was seen, in words or a number. unexpected_count: rows that
    fail it. advice: what a person does about it, shown when it fails.
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

    @property
    def blocks(self) -> bool:
        """Whether this must keep the build from being published."""
        return not self.success and self.severity == "blocking"
