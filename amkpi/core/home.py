"""HOME: the folder of one agency on disk. Only this module knows the paths in it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from amkpi.core.errors import AmkpiError
from amkpi.core.storage import permissions

# The homes whose lock this thread holds.
_held: ContextVar[frozenset[Path]] = ContextVar("held", default=frozenset())


@dataclass(frozen=True)
class Home:
    """The folders of one agency. `landing` may be outside of HOME, on a share that other systems write to.

    run_command: publishes anew. warehouse_remedy: what to do about a warehouse that cannot be opened.
    """

    run_command: ClassVar[str] = "amkpi run"
    warehouse_remedy: ClassVar[str] = "`amkpi rebuild` makes a new one from archive/"

    root: Path
    landing: Path
    warehouse_name: str = "warehouse.duckdb"

    @classmethod
    def at(cls, root: Path, landing: Path | None = None) -> Self:
        """HOME at `root`; LANDING defaults to HOME/landing."""
        root = root.expanduser().absolute()
        return cls(root, landing.expanduser().absolute() if landing else root / "landing")

    @property
    def archive(self) -> Path:
        """Loaded files, named by the hash of their content."""
        return self.root / "archive"

    @property
    def rejected(self) -> Path:
        """Files that could not be loaded, each with its .reason.json."""
        return self.root / "rejected"

    @property
    def sources(self) -> Path:
        """The agency's own source mappings."""
        return self.root / "sources"

    @property
    def settings_file(self) -> Path:
        """The optional settings file."""
        return self.root / "amkpi.toml"

    @property
    def state(self) -> Path:
        """The state stores: what cannot be computed again. They are backed up, and a rebuild does not change them."""
        return self.root / "state"

    @property
    def closed(self) -> Path:
        """The closing files, one per act; backed up with state/, never pruned."""
        return self.root / "closed"

    @property
    def warehouse(self) -> Path:
        """The private DuckDB file, written by one run at a time."""
        return self.root / "warehouse" / self.warehouse_name

    @property
    def dbt_target(self) -> Path:
        """dbt's compiled models and logs."""
        return self.root / "warehouse" / "dbt"

    @property
    def lake(self) -> Path:
        """The Parquet files of a build on Spark, where the setting `lake` names no other folder."""
        return self.root / "lake"

    @property
    def published(self) -> Path:
        """The publications and the link `current.duckdb`."""
        return self.root / "published"

    @property
    def parquet(self) -> Path:
        """The publications as Parquet, and the link `current`."""
        return self.published / "parquet"

    @property
    def outbox(self) -> Path:
        """Scorecards that were written to files instead of being sent."""
        return self.root / "outbox"

    @property
    def current(self) -> Path:
        """The link that readers open."""
        return self.published / "current.duckdb"

    @property
    def backups(self) -> Path:
        """The place of backups if no setting gives another one."""
        return self.root / "backups"

    @property
    def audits(self) -> Path:
        """The pages of the audits and the link `latest.html`."""
        return self.root / "audits"

    def make(self) -> None:
        """Create the folders that the pipeline writes. A LANDING outside of HOME must exist: else its path is wrong.

        Raises AmkpiError if a folder cannot be created or written.
        """
        if self.landing != self.root / "landing" and not self.landing.is_dir():
            raise AmkpiError(f"no landing folder {self.landing}: create it, or give the right one with --landing")
        private = (self.archive, self.rejected, self.state, self.closed, self.warehouse.parent, self.audits)
        for folder in (*private, self.published, self.landing):
            try:
                permissions.make_folder(folder, permissions.PRIVATE if folder in private else permissions.OPEN)
            except PermissionError as error:
                raise AmkpiError(permissions.describe(folder)) from error
            except OSError as error:
                raise AmkpiError(f"cannot create the folder {folder}: {error.strerror}") from error
            if os.statvfs(folder).f_flag & os.ST_RDONLY:
                raise AmkpiError(f"cannot write in {folder}: its file system is read-only; mount it for writing")
            if not os.access(folder, os.W_OK | os.X_OK):
                raise AmkpiError(permissions.describe(folder))

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock HOME for one writer. The operating system releases the lock when the process ends, however it ends.

        Who holds it may take it again: an act that consists of steps keeps others out from the first to the last.
        Raises AmkpiError if another process, or another thread, holds it.
        """
        if self.root in _held.get():
            yield
            return
        with (self.state / "lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                file.seek(0)
                holder = file.read().strip() or "unknown"
                raise AmkpiError(
                    f"another run holds {self.root} (process {holder}): wait until it ends, then run again"
                ) from error
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            token = _held.set(_held.get() | {self.root})
            try:
                yield
            finally:
                _held.reset(token)
