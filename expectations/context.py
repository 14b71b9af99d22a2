"""What an audit is told besides the warehouse: expectations read no clock and know no folders."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path


@dataclass(frozen=True)
class Occasion:
    """On which occasion the warehouse is audited.

    as_of: the date of the build. moment: when the audit runs, aware. seen_run: the newest run of loading that an
    earlier audit has judged; 0 when all is new, None to take only the newest run as new. published: the last
    publication of the same date, to compare with; None where there is none. members_table: what the scope members are
    called in it, as version 0.1.0 had another name.
    """

    as_of: date
    moment: datetime
    seen_run: int | None = None
    published: Path | None = None
    members_table: str = "int_scope_members"
