"""A reader's pages as static files, which open from a share without a server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from amkpi.access.reader import Reader
from amkpi.core.errors import AmkpiError
from amkpi.core.language.periods import GRAINS, Period
from amkpi.core.run import Progress, silent
from amkpi.pages.site import Site
from amkpi.scorecards.page_paths import FRONT

# Marks a folder that `amkpi pages` wrote, so that no other folder is emptied by mistake.
MARK = ".amkpi-pages"


@dataclass(frozen=True)
class Export:
    """What was written: how many files, and the page to open."""

    files: int
    front: Path


def newest(as_of: Period, months: int) -> Callable[[Period], bool]:
    """Which periods are written: the newest months, and of every other grain the periods that hold one of their days.

    as_of: the month of the publication's date.
    """
    kept = {
        Period.holding(grain, month.end if grain == "trailing_12m" else month.start)
        for month in as_of.last(months)
        for grain in GRAINS
    }
    return kept.__contains__


def write_pages(site: Site, reader: Reader, folder: Path, progress: Progress = silent) -> Export:
    """Write every page that the reader can reach below a folder.

    The folder must be empty, or one that this function wrote before: its old files go. Those of another reader go
    first, so that an interrupted run does not leave both. Raises AmkpiError for other files, OSError where it cannot be
    written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    old = [path for path in folder.rglob("*") if path.is_file()]
    mark = folder / MARK
    if old and not mark.is_file():
        raise AmkpiError(f"{folder} has other files: choose an empty folder, or one with pages")
    of_reader = f"{reader.staff_id}\n"
    if old and mark.read_text(encoding="utf-8") != of_reader:
        for file in old:
            if file != mark:
                file.unlink()
        old = []
    written: set[Path] = {mark}
    mark.write_text(of_reader, encoding="utf-8")
    for path in site.paths(reader):
        answer = site.page(reader, path)
        if answer is None:
            raise AssertionError(f"{path} is listed but is no page")
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(answer.body)
        written.add(target)
        if len(written) % 500 == 0:
            progress(f"{len(written):,} pages")
    for file in old:
        if file not in written:
            file.unlink()
    for place in sorted(folder.rglob("*"), reverse=True):
        if place.is_dir() and not any(place.iterdir()):
            place.rmdir()
    return Export(len(written) - 1, folder / FRONT)
