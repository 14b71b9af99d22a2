"""What a migration is, and which of a list are still to be applied."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from amkpi.core.errors import AmkpiError

Target = TypeVar("Target")


@dataclass(frozen=True)
class Migration(Generic[Target]):
    """A change of a layout. number: the layout that it leads to; text: what changes, in a few words."""

    number: int
    text: str
    apply: Callable[[Target], None]


@dataclass(frozen=True)
class Applied:
    """What was brought up to date: its name, the layout before, the layout now, and what changed."""

    what: str
    before: int
    now: int
    changes: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.what} from layout {self.before} to {self.now} ({'; '.join(self.changes)})"


def newest(migrations: Sequence[Migration[Target]]) -> int:
    """The layout that the last migration leads to."""
    return migrations[-1].number


def missing(migrations: Sequence[Migration[Target]], version: int) -> list[Migration[Target]]:
    """The migrations that a thing of this layout still needs, in order."""
    return [each for each in migrations if each.number > version]


def refuse_newer(what: str, version: int, migrations: Sequence[Migration[Target]]) -> None:
    """Raise AmkpiError where the layout is newer than this program knows."""
    known = newest(migrations)
    if version > known:
        raise AmkpiError(
            f"{what} was written by a newer version of amkpi (layout {version}, this version knows {known}):"
            " install that version or a later one"
        )
