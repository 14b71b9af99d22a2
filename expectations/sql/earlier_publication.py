"""What expectations share that compare the build with the last publication."""

from __future__ import annotations

import re

from amkpi.expectations.context import AuditContext


def note(context: AuditContext) -> str:
    """What a finding says where nothing can be compared; empty where it can."""
    return "" if context.published else ", as there is no earlier publication to compare with"


def kept_periods(context: AuditContext) -> str:
    """SQL for the period_ids whose rows the build has kept from that publication, and did not compute again.

    A file with another name belongs to no build: none is kept.
    """
    named = re.fullmatch(r"kpi_([0-9a-f]{16})", context.published.stem) if context.published else None
    return f"""
        select period_id
        from intermediate.int_periods
        where period_id not in (select period_id from intermediate.int_changed_periods)
            and (select max(based_on) from audit.build) = '{named[1] if named else ""}'
    """
