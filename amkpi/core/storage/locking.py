"""HOME for one writer: locked, its folders there, and everything in it in the layout of this program."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from amkpi.core import terminal
from amkpi.core.erasure import unfinished
from amkpi.core.home import Home
from amkpi.core.settings import Settings
from amkpi.core.storage.migrations import home_layout
from amkpi.core.storage.migrations import warehouse as warehouse_layout
from amkpi.core.storage.migrations.migration import Applied
from amkpi.core.storage.migrations.state_stores import STORES
from amkpi.core.storage.warehouse import open_warehouse


@contextmanager
def locked(home: Home, settings: Settings, *, warehouse: bool = True) -> Iterator[None]:
    """Hold HOME as its only writer, after bringing it up to date; what changed is reported in one line.

    warehouse: whether the caller needs the warehouse that is there; a rebuild makes a new one. Raises AmkpiError if
    another process holds HOME, if an erasure was interrupted, if a newer version wrote HOME, or if it cannot be used.
    """
    home.make()
    with home.lock():
        unfinished.refuse_interrupted(home)
        applied = _bring_up_to_date(home, settings, warehouse)
        if applied:
            terminal.report(f"{home.root} was brought up to date: {', '.join(map(str, applied))}")
        yield


def _bring_up_to_date(home: Home, settings: Settings, warehouse: bool) -> list[Applied]:
    """Apply all missing migrations; what is newer than this program is refused before anything changes."""
    home_layout.check(home)
    for store in STORES:
        store.check(home.state)
    done: list[Applied | None] = []
    # Opening a warehouse takes 0.1 s, so HOME remembers that its warehouse has the newest layout.
    newest = home_layout.has_newest_warehouse(home)
    if warehouse and not newest and home.warehouse.exists():
        with open_warehouse(home, settings) as connection:
            done.append(warehouse_layout.bring_up_to_date(connection))
        newest = True
    done.append(home_layout.bring_up_to_date(home, newest))
    done.extend(store.bring_up_to_date(home.state) for store in STORES)
    return [each for each in done if each is not None]
