"""What expectations get to know besides the tables. They read no clock and know no folders."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path


@dataclass(frozen=True)
class AuditContext:
    """The circumstances of one audit.

    as_of: the date of the build. moment: when the audit runs, with a time zone. seen_run: the newest load run that an
    earlier audit has checked; 0 if all runs are new, None to take only the newest run as new. published: the file of
    the last publication of this or an earlier date, to compare with; None if there is none. published_schema: the
    schema of the internal tables in that file, and members_table: the name of the table of scope members, which earlier
    versions called otherwise.
    """

    as_of: date
    moment: datetime
    seen_run: int | None = None
    published: Path | None = None
    published_schema: str = "internal"
    members_table: str = "int_scope_members"
