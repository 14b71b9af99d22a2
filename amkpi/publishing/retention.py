"""Which publications are kept, and whether the disk has room for the next ones."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from amkpi.core.home import Home
from amkpi.core.publication_id import current_file, published_file
from amkpi.core.settings import Settings

# An empty file with this prefix and a publication id marks a historical publication. Version 0.1.0 wrote the same name.
_HISTORICAL_MARK = ".beside_"
# The disk is low when these many more publications do not fit: time for a person to act.
_RUNS_AHEAD = 2


@dataclass(frozen=True)
class DiskSpace:
    """The disk of a folder. free: bytes. needed: what the next runs may take, 0 before the first publication."""

    folder: Path
    free: int
    needed: int

    @property
    def is_low(self) -> bool:
        """Whether the next runs may not fit."""
        return self.free < self.needed


def disk_space(home: Home) -> DiskSpace:
    """The disk of the publications.

    A run writes a whole publication beside those that are there, and a full build writes all tables of the warehouse
    anew before the space of the old ones is used again.
    """
    current = current_file(home)
    needed = 0
    if current is not None:
        warehouse = home.warehouse.stat().st_size if home.warehouse.exists() else 0
        needed = _RUNS_AHEAD * size(home, current) + warehouse
    return DiskSpace(home.published, shutil.disk_usage(home.published).free, needed)


def historical_mark(home: Home, publication_id: str) -> Path:
    """The mark that a publication is historical."""
    return home.published / f"{_HISTORICAL_MARK}{publication_id}"


def historical_marks(home: Home) -> dict[Path, Path]:
    """The marks of historical publications, by the file that each belongs to."""
    marks = home.published.glob(f"{_HISTORICAL_MARK}*")
    return {published_file(home, mark.name.removeprefix(_HISTORICAL_MARK)): mark for mark in marks}


def newest_first(files: Iterable[Path]) -> list[Path]:
    """Those of the files that exist, by the time of their last change."""
    return sorted((f for f in files if f.exists()), key=lambda file: file.stat().st_mtime_ns, reverse=True)


def size(home: Home, file: Path) -> int:
    """Bytes of a publication: its file, and its Parquet files if they were written."""
    parquet = home.parquet / file.stem.removeprefix("kpi_")
    files = (Path(folder) / name for folder, _, names in os.walk(parquet) for name in names)
    return sum(each.stat().st_size for each in (file, *files) if each.exists())


def prune(home: Home, settings: Settings, moment: datetime) -> int:
    """Remove publications that are neither among the newest nor the last of one of the past days; returns how many.

    Historical publications are counted separately, and the newest of them stay: a file that was made by hand must not
    displace one of a nightly run. If those that stay are larger than the setting allows, the oldest of them go too. The
    current publication always stays.
    """
    zone = ZoneInfo(settings.timezone)
    marks = historical_marks(home)
    historical = newest_first(marks)
    files = [path for path in newest_first(home.published.glob("kpi_*.duckdb")) if path not in marks]
    newest = settings.retention.publications
    keep = {current_file(home), *files[:newest], *historical[:newest]}
    oldest = moment.astimezone(zone).date() - timedelta(days=settings.retention.daily_days)
    days: set[date] = set()
    for path in files:
        day = datetime.fromtimestamp(path.stat().st_mtime, zone).date()
        if day >= oldest and day not in days:
            days.add(day)
            keep.add(path)
    keep = _within(home, keep, settings.retention.publications_bytes)
    gone = [path for path in (*files, *historical) if path not in keep]
    for path in gone:
        path.unlink()
    for path, mark in marks.items():
        if not path.exists():
            mark.unlink()
    return len(gone)


def _within(home: Home, files: set[Path | None], limit: int | None) -> set[Path | None]:
    """The current publication, and the newest of the files that fit beside it. limit: bytes; None: all fit."""
    if limit is None:
        return files
    current = current_file(home)
    keep: set[Path | None] = {current}
    left = limit - (size(home, current) if current else 0)
    for file in newest_first(file for file in files if file is not None and file != current):
        left -= size(home, file)
        if left < 0:
            break
        keep.add(file)
    return keep
