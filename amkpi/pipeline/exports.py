"""The current publication for other tools: PostgreSQL and Parquet, as far as the settings want them."""

from __future__ import annotations

from dataclasses import dataclass

from amkpi.core import terminal
from amkpi.core.errors import AmkpiError
from amkpi.core.publication_id import current_file
from amkpi.core.run import Progress, Run, silent
from amkpi.exports import parquet
from amkpi.exports.parquet import ParquetReport
from amkpi.exports.postgres.connection import postgres_url
from amkpi.exports.postgres.write import PostgresReport, write


@dataclass(frozen=True)
class ExportReport:
    """What was written; None for what the settings do not want."""

    parquet: ParquetReport | None = None
    postgres: PostgresReport | None = None

    @property
    def lines(self) -> tuple[str, ...]:
        """A line for each, for the terminal and the log."""
        found = []
        if self.parquet is not None:
            written = f"{self.parquet.rows:,} rows in {self.parquet.files} files"
            found.append(f"Parquet: {written if self.parquet.is_new else 'nothing changed'}")
        if self.postgres is not None:
            written = f"{self.postgres.rows:,} rows that changed" if self.postgres.is_new else "nothing changed"
            waiting = self.postgres.waiting_statements
            hint = f"; {waiting} statements about roles wait for an administrator (docs/operations/postgres.md)"
            found.append(f"PostgreSQL: {written}{hint if waiting else ''}")
        return tuple(found)


def is_wanted(run: Run) -> bool:
    """Whether the settings want any of it, or Parquet of earlier publications is there."""
    settings = run.settings
    return bool(settings.parquet.publish or postgres_url(settings) or run.home.parquet.is_dir())


def export(run: Run, progress: Progress = silent) -> ExportReport:
    """Write the current publication wherever the settings want it; what is there already is not written again.

    It holds no lock of HOME: it only reads the published file. Raises AmkpiError; what readers had before stays.
    """
    file = current_file(run.home)
    if file is None:
        return ExportReport()
    files = None
    if run.settings.parquet.publish:
        files = parquet.write(run.home, run.settings)
    elif run.home.parquet.is_dir():
        parquet.switch_off(run.home)
    if run.home.parquet.is_dir():
        parquet.prune(run.home)
    url = postgres_url(run.settings)
    return ExportReport(files, write(url, file, run.settings, run.now(), progress) if url else None)


def export_or_warn(run: Run, progress: Progress = silent) -> None:
    """Export after a closing, which is in force whatever happens here: the next publication writes it again."""
    try:
        for line in export(run, progress).lines:
            progress(line)
    except AmkpiError as error:
        terminal.warn(f"{error}; the next publication tries it again, or `amkpi publish`")
