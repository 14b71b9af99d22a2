"""The migrations of HOME's folders and files. Each may be repeated: the next run does so if this one is killed."""

from __future__ import annotations

import json
import os
from pathlib import Path

from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.storage.migrations import warehouse
from amkpi.core.storage.migrations.migration import Applied, Migration, missing, newest, refuse_newer
from amkpi.core.storage.migrations.state_stores import DELIVERY_LOG, STORES
from amkpi.core.storage.state_store import remedy

FILE = "layout.json"
# What is lost with it.
LOST = "the next run writes it again, and nothing is lost"


def _rename_delivery_log(home: Home) -> None:
    """Rename state/journal.sqlite to state/delivery_log.sqlite."""
    former = home.state / DELIVERY_LOG.former_name
    if former.exists():
        # Opened once: what a killed run left in SQLite's own journal goes by the old name.
        DELIVERY_LOG.verify(home.state)
        former.rename(home.state / DELIVERY_LOG.name)


MIGRATIONS: tuple[Migration[Home], ...] = (
    Migration(1, "as version 0.1.0 made it", lambda home: None),
    Migration(2, "state/journal.sqlite renamed to state/delivery_log.sqlite", _rename_delivery_log),
)


def record_file(home: Home) -> Path:
    """Where the layout is recorded."""
    return home.state / FILE


def version(home: Home) -> int | None:
    """The recorded layout; 1 for a HOME of version 0.1.0, None for a HOME without data. Raises AmkpiError."""
    recorded = _record(home).get("layout")
    if recorded is not None:
        return recorded
    has_data = home.warehouse.exists() or any(store.exists(home.state) for store in STORES)
    return 1 if has_data else None


def has_newest_warehouse(home: Home) -> bool:
    """Whether the warehouse had the newest layout when HOME was last brought up to date."""
    return _record(home).get("warehouse") == newest(warehouse.MIGRATIONS)


def check(home: Home) -> None:
    """Raise AmkpiError if a newer version of the program made the HOME."""
    refuse_newer(str(home.root), version(home) or 0, MIGRATIONS)


def bring_up_to_date(home: Home, newest_warehouse: bool) -> Applied | None:
    """Apply the missing migrations; None if there were none, or HOME has no data yet. Raises AmkpiError.

    newest_warehouse: whether to record that the warehouse has the newest layout.
    """
    before = version(home)
    wanted = missing(MIGRATIONS, newest(MIGRATIONS) if before is None else before)
    for migration in wanted:
        migration.apply(home)
    record = {"layout": newest(MIGRATIONS)}
    if newest_warehouse:
        record["warehouse"] = newest(warehouse.MIGRATIONS)
    if record != _record(home):
        _write_record(home, record)
    if before is None or not wanted:
        return None
    return Applied("its folders", before, newest(MIGRATIONS), tuple(each.text for each in wanted))


def _record(home: Home) -> dict[str, int]:
    file = record_file(home)
    try:
        return {str(name): int(number) for name, number in json.loads(file.read_text("utf-8")).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise AmkpiError(f"{file} cannot be read: {error}; {remedy(FILE, LOST)}") from error


def _write_record(home: Home, record: dict[str, int]) -> None:
    file = record_file(home)
    partial = file.with_name(f".{file.name}.part")
    with partial.open("w", encoding="utf-8") as target:
        json.dump(record, target)
        target.flush()
        os.fsync(target.fileno())
    partial.replace(file)
