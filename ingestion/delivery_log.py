"""The delivery log in HOME/state/: which bytes arrived under which name, and when.

A warehouse cannot be rebuilt without it, so it is kept outside the warehouse, in a small SQLite file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from amkpi.core.storage.migrations.state_stores import DELIVERY_LOG


@dataclass(frozen=True)
class Delivery:
    """One file taken as one extract. `loaded_at` is aware; `source` names the mapping of a native export.

    rows_read: the rows of the extract. Where one native row makes one of these, the native file has `rows_read` plus
    the rows that were skipped: above its table, from its footer on, and by a filter of the mapping. cells_cleaned:
    cells from which invisible characters were removed. saved_zeros: formulas whose saved value is 0. rows_repeated:
    rows that another row of the same file and key replaces. keys_undecided: keys that have different rows in the file,
    of which nothing but the line decides. rows_deleted: keys that count as deleted because this file lacks them.
    mapping_sha256: the digest of the mapping's text, None for a file without a mapping or of a version that did not
    record it. notes: what else the reader found, as sentences.
    """

    delivery: int
    run: int
    file_name: str
    extract: str | None
    source: str | None
    sha256: str | None
    bytes: int
    status: str
    reason: str | None
    rows_read: int
    loaded_at: datetime
    rows_skipped_above: int = 0
    rows_skipped_footer: int = 0
    rows_skipped_filtered: int = 0
    cells_cleaned: int = 0
    saved_zeros: int = 0
    rows_repeated: int = 0
    keys_undecided: int = 0
    rows_deleted: int = 0
    mapping_sha256: str | None = None
    notes: str | None = None

    @property
    def left_out_or_changed(self) -> str:
        """What was skipped, changed and deleted: every such count that is not zero, in one line; empty for none."""
        counts = {
            "rows above the data": self.rows_skipped_above,
            "rows in the footer": self.rows_skipped_footer,
            "rows excluded by where": self.rows_skipped_filtered,
            "cells cleaned": self.cells_cleaned,
            "formulas with a saved 0": self.saved_zeros,
            "repeated": self.rows_repeated,
            "undecided keys": self.keys_undecided,
            "deleted": self.rows_deleted,
        }
        return ", ".join(f"{count} {what}" for what, count in counts.items() if count)

    @property
    def summary(self) -> str:
        """What became of the file, in one line: its status and its counts."""
        rows = f"{self.rows_read} row{'' if self.rows_read == 1 else 's'}"
        return ", ".join(filter(None, (self.status, rows, self.left_out_or_changed)))


def with_note(delivery: Delivery, note: str) -> Delivery:
    """The delivery with one more sentence in its notes."""
    return replace(delivery, notes=f"{delivery.notes}; {note}" if delivery.notes else note)


_COLUMNS = ", ".join(field.name for field in fields(Delivery))


def write(state: Path, deliveries: list[Delivery]) -> None:
    """Write the deliveries, in one transaction. Raises AmkpiError.

    A delivery that is there already is replaced, so that a run that was killed can be repeated.
    """
    if not deliveries:
        return
    rows = [{**asdict(each), "loaded_at": each.loaded_at.astimezone(UTC).isoformat()} for each in deliveries]
    places = ", ".join(f":{field.name}" for field in fields(Delivery))
    with DELIVERY_LOG.open(state) as connection:
        connection.executemany(f"insert or replace into deliveries ({_COLUMNS}) values ({places})", rows)


def replace_hash(state: Path, before: str, after: str) -> None:
    """Say that archive/ keeps a file under another hash, because names in it were replaced. Raises AmkpiError."""
    with DELIVERY_LOG.open(state) as connection:
        connection.execute("update deliveries set sha256 = ? where sha256 = ?", [after, before])


def keep_mapping_texts(state: Path, texts: Iterable[tuple[str, str, str]]) -> None:
    """Keep the texts of mappings, given as (sha256, name, text): a rebuild reads each file by the text of its day.

    Raises AmkpiError.
    """
    with DELIVERY_LOG.open(state) as connection:
        known = {sha256 for (sha256,) in connection.execute("select sha256 from mapping_texts").fetchall()}
        new = [each for each in texts if each[0] not in known]
        if new:
            connection.executemany("insert into mapping_texts (sha256, name, text) values (?, ?, ?)", new)


def mapping_texts(state: Path) -> dict[str, str]:
    """The text of every mapping that was ever used, by its digest. Raises AmkpiError."""
    with DELIVERY_LOG.open(state) as connection:
        return dict(connection.execute("select sha256, text from mapping_texts").fetchall())


def read(state: Path) -> list[Delivery]:
    """All deliveries in the order in which they arrived. Raises AmkpiError."""
    names = [field.name for field in fields(Delivery)]

    def delivery(*row: Any) -> Delivery:
        found = dict(zip(names, row, strict=True))
        return Delivery(**{**found, "loaded_at": datetime.fromisoformat(found["loaded_at"])})

    return DELIVERY_LOG.read(state, f"select {_COLUMNS} from deliveries order by delivery", delivery)
