"""The table of the files of HOME/state/ in docs/operations/backup.md."""

from __future__ import annotations

from amkpi.pipeline.state_files import STATE_FILES
from tools.docs.markdown import code, table


def lost() -> str:
    """Each file, what it holds, and what is lost with it."""
    return table(
        ("file", "holds", "without it", "in backups"),
        ((code(each.name), each.holds, each.lost, "yes" if each.in_backup else "no") for each in STATE_FILES),
    )
