"""What is known of a person or client in the loaded rows, and the files of archive/ without it."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from amkpi.core.erasure.register import Erasures, Subject
from amkpi.core.erasure.replacement import Replacement, shared
from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.settings import Settings
from amkpi.ingestion import archive, delivery_log
from amkpi.ingestion.contracts.extracts import EXTRACTS
from amkpi.ingestion.erasure.rows import ABOUT, OWN_ROWS, Target, erase_file, has_names
from amkpi.ingestion.from_archive import mapping_of
from amkpi.ingestion.mappings.files import read_mappings
from amkpi.ingestion.mappings.names import folded_cell
from amkpi.ingestion.readers import examine
from amkpi.ingestion.readers.record_batches import BAD_CELLS


@dataclass(frozen=True)
class Known:
    """What the loaded rows say of a subject.

    names: names and addresses of nobody else, of two words or more; short_names: of one word, which may be any word;
    of_others_too: names that others have too; longer: names of others that have one of these in them; titles: texts
    about a client that are no name, and those that are also about others; texts: extract, record and column of texts
    about others that have one of `names`; rows: how many rows describe the subject.
    """

    names: tuple[str, ...]
    short_names: tuple[str, ...]
    of_others_too: tuple[str, ...]
    longer: tuple[str, ...]
    titles: tuple[str, ...]
    titles_of_others_too: tuple[str, ...]
    texts: tuple[tuple[str, str, str], ...]
    rows: int

    @property
    def folded(self) -> tuple[str, ...]:
        """The names by which a cell can be known again, as cells are compared."""
        return tuple(sorted({folded_cell(name) for name in (*self.names, *self.short_names)}))


def find(connection: duckdb.DuckDBPyConnection, subject: Subject) -> Known:
    """What the warehouse knows of the subject. Raises AmkpiError for an id that no row describes."""
    of_subject: set[str] = set()
    of_others: set[str] = set()
    rows = 0
    for name, (kind, key) in OWN_ROWS.items():
        for column in EXTRACTS[name].personal:
            for identity, text, count in connection.execute(
                f"select {key}, {column.name}, count(*) from parsed.{name} where {column.name} is not null group by all"
            ).fetchall():
                is_own = (kind, identity) == (subject.kind, subject.id)
                (of_subject if is_own else of_others).add(text)
                rows += count if is_own and column.required else 0
    if not of_subject and not rows:
        what = "staff member" if subject.kind == "staff" else "client"
        raise AmkpiError(f"no {what} {subject.id} was ever delivered: give the id as the extract has it")
    of_subject -= {subject.pseudonym, *BAD_CELLS}
    also, longer = shared(of_subject, of_others)
    own = of_subject - also
    names = sorted(name for name in own if "@" in name or len(name.split()) > 1)
    titles, titles_of_others = _titles(connection, subject)
    replacement = Replacement(subject.id, subject.pseudonym, tuple(names), longer=tuple(longer))
    return Known(
        names=tuple(names),
        short_names=tuple(sorted(own - set(names))),
        of_others_too=tuple(sorted(also)),
        longer=tuple(sorted(longer)),
        titles=tuple(sorted(titles - titles_of_others)),
        titles_of_others_too=tuple(sorted(titles & titles_of_others)),
        texts=tuple(sorted(_naming(connection, subject, replacement))),
        rows=rows,
    )


def _titles(connection: duckdb.DuckDBPyConnection, subject: Subject) -> tuple[set[str], set[str]]:
    """The titles of the records of a client, and those of others.

    Comments are published nowhere: they are replaced in the files alone.
    """
    own: set[str] = set()
    of_others: set[str] = set()
    for extract in EXTRACTS.values() if subject.kind == "client" else ():
        for column in extract.personal if extract.name not in OWN_ROWS else ():
            if column.personal == "client":
                for text, is_own in connection.execute(
                    f"select distinct {column.name}, client_id is not distinct from ? from parsed.{extract.name}"
                    f" where {column.name} is not null",
                    [subject.id],
                ).fetchall():
                    (own if is_own else of_others).add(text)
    return own - {subject.pseudonym}, of_others


def _naming(
    connection: duckdb.DuckDBPyConnection, subject: Subject, replacement: Replacement
) -> set[tuple[str, str, str]]:
    """Extract, record and column of the texts about others that have one of the names."""
    found: set[tuple[str, str, str]] = set()
    for extract in EXTRACTS.values():
        for column in extract.personal if extract.name not in OWN_ROWS else ():
            kind, about = ABOUT[column.personal or "free_text"]
            key = extract.key[0]
            rows = connection.execute(
                f"select distinct {key}, {column.name}, {about} from parsed.{extract.name}"
                f" where {key} is not null and {column.name} is not null"
            ).fetchall()
            found |= {
                (extract.name, record, column.name)
                for record, text, of in rows
                if (kind, of) != (subject.kind, subject.id) and replacement.in_text(text) != text
            }
    return found


def archived_files(home: Home) -> list[Path]:
    """The files of archive/ that the delivery log names. Raises AmkpiError."""
    return [
        archive.archived(home, each.sha256, each.file_name) for each in delivery_log.read(home.state) if each.sha256
    ]


def erase_archive(
    home: Home,
    settings: Settings,
    shipped_sources: Path,
    erasures: Erasures,
    replaces: Callable[[Path], None] | None,
    progress: Callable[[str], None],
) -> int:
    """Replace the files of archive/ that have names by their rows without them; returns how many files.

    replaces: called with each file before it is replaced; None to count alone. Every file is in archive/ with its hash
    in the delivery log at any moment; the old one is removed afterwards. Raises AmkpiError, OSError.
    """
    mappings = {each.name: each for each in read_mappings(shipped_sources, home.sources, settings.zone).valid}
    mapping_texts = delivery_log.mapping_texts(home.state)
    targets: dict[str, dict[tuple[str, str | None], Target]] = defaultdict(dict)
    names: dict[str, str] = {}
    for each in delivery_log.read(home.state):
        if each.status == "loaded" and each.sha256 and each.extract:
            source = mapping_of(mappings, each, mapping_texts, settings)
            targets[each.sha256][each.extract, each.source] = (each.extract, source)
            names[each.sha256] = each.file_name
    changed = 0
    for sha256, of_file in targets.items():
        path = archive.archived(home, sha256, names[sha256])
        if not path.is_file():
            raise AmkpiError(f"{path} is gone: bring back archive/ from its backup (it is the file {names[sha256]})")
        content = examine(path, sys.maxsize)
        if replaces is None:
            changed += has_names(path, content, tuple(of_file.values()), erasures, sys.maxsize)
            continue
        written = erase_file(path, content, tuple(of_file.values()), erasures, sys.maxsize)
        if written is not None:
            progress(names[sha256])
            replaces(path)
            after = examine(written, sys.maxsize).sha256
            place = archive.erased_place(home, after)
            place.parent.mkdir(parents=True, exist_ok=True)
            written.replace(place)
            delivery_log.replace_hash(home.state, sha256, after)
            path.unlink()
            changed += 1
    return changed
