"""The migrations of HOME's folders and files. Each may be repeated: a run that is killed in between does it again."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.storage.migrations.migration import Applied, Migration, missing, newest, refuse_newer
from amkpi.core.storage.migrations.state_stores import DELIVERY_LOG, STORES


def _rename_delivery_log(home: Home) -> None:
    """Rename state/journal.sqlite to state/delivery_log.sqlite."""
    former = home.state / DELIVERY_LOG.former_name
    if former.exists():
        # Opened once: what a killed run left in SQLite's own journal goes by the old name.
        with closing(sqlite3.connect(former)) as connection:
            connection.execute("select count(*) from sqlite_master").fetchone()
        former.rename(home.state / DELIVERY_LOG.name)


MIGRATIONS: tuple[Migration[Home], ...] = (
    Migration(1, "as version 0.1.0 made it", lambda home: None),
    Migration(2, "state/journal.sqlite renamed to state/delivery_log.sqlite", _rename_delivery_log),
)


def record_file(home: Home) -> Path:
    """Where the layout is recorded."""
    return home.state / "layout.json"


def version(home: Home) -> int | None:
    """The recorded layout; 1 for a HOME of version 0.1.0, None for a HOME without data. Raises AmkpiError."""
    file = record_file(home)
    try:
        return int(json.loads(file.read_text("utf-8"))["layout"])
    except FileNotFoundError:
        has_data = home.warehouse.exists() or any(store.exists(home.state) for store in STORES)
        return 1 if has_data else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AmkpiError(f"{file} cannot be read ({error}): bring it back from a backup") from error


def check(home: Home) -> None:
    """Raise AmkpiError where a newer version of the program made the HOME."""
    refuse_newer(str(home.root), version(home) or 0, MIGRATIONS)


def bring_up_to_date(home: Home) -> Applied | None:
    """Apply the missing migrations; None where there were none, or HOME has no data yet. Raises AmkpiError."""
    before = version(home)
    wanted = missing(MIGRATIONS, newest(MIGRATIONS) if before is None else before)
    for migration in wanted:
        migration.apply(home)
    if wanted or not record_file(home).exists():
        _record(home)
    if before is None or not wanted:
        return None
    return Applied("its folders", before, newest(MIGRATIONS), tuple(each.text for each in wanted))


def _record(home: Home) -> None:
    file = record_file(home)
    partial = file.with_name(f".{file.name}.part")
    with partial.open("w", encoding="utf-8") as target:
        json.dump({"layout": newest(MIGRATIONS)}, target)
        target.flush()
        os.fsync(target.fileno())
    partial.replace(file)
