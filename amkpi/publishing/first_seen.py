"""Since when a difference is published: an adjustment of a closed period, or a restatement of what was mailed.

It cannot be computed again, so it is kept in HOME/state/.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from amkpi.core.storage.migrations.state_stores import FIRST_SEEN


def first_seen(state: Path, what: str, keys: Iterable[str], moment: datetime, keep: bool) -> dict[str, datetime]:
    """Since when each of these differences is there; those that are new since `moment`, which is aware.

    what: of which kind they are. keep: remember the new ones, and forget those of the kind that are gone; a historical
    publication must not. Raises AmkpiError where the store cannot be used.
    """
    wanted = set(keys)
    if not wanted and not FIRST_SEEN.exists(state):
        return {}
    known = dict(
        FIRST_SEEN.read(
            state,
            "select key, at from first_seen where what = ?",
            lambda key, at: (key, datetime.fromisoformat(at)),
            [what],
        )
    )
    if keep:
        with FIRST_SEEN.open(state) as store:
            store.executemany(
                "delete from first_seen where what = ? and key = ?", [(what, key) for key in known.keys() - wanted]
            )
            store.executemany(
                "insert into first_seen (what, key, at) values (?, ?, ?)",
                [(what, key, moment.isoformat()) for key in sorted(wanted - known.keys())],
            )
    return {key: known.get(key, moment) for key in wanted}
