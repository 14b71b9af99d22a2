"""The files of HOME/state/: what each holds, how it is opened, and what is lost with it.

`amkpi status` opens each of them, the nightly housekeeping reads every page of each, and `amkpi restore --only` brings
one back from a backup.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.storage import closing_register, pages_key
from amkpi.core.storage.migrations import home_layout
from amkpi.core.storage.migrations.state_stores import STORES
from amkpi.core.storage.state_store import StateStore


@dataclass(frozen=True)
class StateFile:
    """One file. holds, lost: parts of sentences; former_name: of a HOME of before.

    check: open it, and read all of it where its second argument says so; raises AmkpiError in one line.
    in_backup: whether backups have it.
    """

    name: str
    holds: str
    lost: str
    check: Callable[[Home, bool], None]
    former_name: str = ""
    in_backup: bool = True


def _check_store(store: StateStore, home: Home, whole: bool) -> None:
    store.verify(home.state, whole)


def _check_register(home: Home, whole: bool) -> None:
    closing_register.read(home)


STATE_FILES: tuple[StateFile, ...] = (
    *(
        StateFile(store.name, store.holds, store.lost, partial(_check_store, store), store.former_name)
        for store in STORES
    ),
    StateFile(
        closing_register.FILE,
        "the register of closings",
        "nothing can be published until it is back: never move it away",
        _check_register,
    ),
    StateFile(
        home_layout.FILE,
        "the layout of HOME",
        home_layout.LOST,
        lambda home, whole: home_layout.check(home),
    ),
    StateFile(
        pages_key.FILE,
        "the secret that signs the cookies and links of the pages",
        "readers sign in again",
        lambda home, whole: pages_key.check(home.state),
        in_backup=False,
    ),
)


def problems(home: Home, *, whole: bool = False) -> tuple[str, ...]:
    """What is wrong with each file that cannot be used, in one line with the remedy. whole: read every page of each."""
    found = []
    for file in STATE_FILES:
        try:
            file.check(home, whole)
        except AmkpiError as error:
            found.append(str(error))
    return tuple(found)


def find(name: str) -> StateFile:
    """The file of that name. Raises AmkpiError, with the names that there are, for any other one."""
    named = {file.name: file for file in STATE_FILES if file.in_backup}
    if name not in named:
        raise AmkpiError(f"no file {name!r} of HOME/state/ can be restored; there are {', '.join(sorted(named))}")
    return named[name]
