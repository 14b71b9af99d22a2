"""Prints what a mapping makes of a native file, and a first mapping for a file."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.markup import escape
from rich.table import Table

from amkpi.core import terminal
from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.paths import SHIPPED_MAPPINGS
from amkpi.core.settings import Settings, load_settings
from amkpi.ingestion import snapshots
from amkpi.ingestion.contracts.extracts import EXTRACTS
from amkpi.ingestion.mappings.drafts.against_home import HomeUnread
from amkpi.ingestion.mappings.drafts.draft import draft
from amkpi.ingestion.mappings.drafts.review import SHOWN_ROWS, MappingReview, review
from amkpi.ingestion.mappings.files import load_mapping, read_mappings
from amkpi.ingestion.mappings.model import Mapping
from amkpi.ingestion.mappings.schema import schema
from amkpi.ingestion.readers import Unreadable

_MOST_PAIRS = 5


def show_check(file: Path, name: str | None, mapping: Path | None, home: Home | None) -> None:
    """Print what mappings make of the file. Nothing is loaded.

    name: only this mapping; mapping: only this mapping file, which may lie anywhere; neither: each mapping that takes
    the file. home: the agency whose own mappings and time zone are used too. Raises AmkpiError when no mapping takes
    the file, or it cannot be read.
    """
    if not file.is_file():
        raise AmkpiError(f"no file {file}")
    settings = load_settings(home) if home else Settings.model_validate({})
    zone = settings.zone
    if mapping is not None:
        chosen = [load_mapping(mapping, zone)]
    else:
        # With its folder, which decides for the shipped mappings.
        path = f"{file.absolute().parent.name}/{file.name}"
        known = read_mappings(SHIPPED_MAPPINGS, home.sources if home and home.sources.is_dir() else None, zone)
        for wrong in known.broken:
            if wrong.may_take(path, known):
                raise wrong.error
        chosen = [each for each in known.valid if each.name == name] if name else known.taking(path)
        if not chosen:
            names = ", ".join(each.name for each in known.valid)
            raise AmkpiError(
                f"no mapping is named {name}; there are: {names}"
                if name
                else f"no mapping takes {file.name}; name one with --source ({names}), or start one with"
                " amkpi sources draft"
            )
    warehouse = home.warehouse if home and home.warehouse.is_file() else None
    later = "; HOME has received nothing yet" if home else "; with --home they are looked up now"
    for each in chosen:
        try:
            found = review(file, each, warehouse)
        except Unreadable as error:
            raise AmkpiError(f"{file.name} as {each.name}: {error}") from error
        except HomeUnread as error:
            terminal.warn(f"lookups and deletions are not checked: {error}")
            warehouse, later = None, ""
            found = review(file, each)
        _show(each, found)
        _show_against_home(each, found, settings.landing.max_deleted_share, later)


def _show(source: Mapping, found: MappingReview) -> None:
    screen = terminal.out()
    screen.print(f"[bold]{escape(source.name)}[/] → {source.extract}: {_rows(found.rows)}, {_keys(source, found)}")
    left_out = {
        "above the data": found.tally.above,
        "in the footer": found.tally.footer,
        "excluded by where": found.tally.filtered,
    }
    if found.tally.skipped:
        told = ", ".join(f"{count} {where}" for where, count in left_out.items() if count)
        screen.print(f"left out: {told}", soft_wrap=True)
    if found.tally.cleaned:
        screen.print(f"cells from which invisible characters were removed: {found.tally.cleaned}")
    for note in found.tally.notes:
        screen.print(escape(note), soft_wrap=True)
    screen.print(_table(source, found))
    _show_problems(found)
    if found.unused:
        screen.print(f"[dim]not used: {escape(', '.join(found.unused))}[/]", soft_wrap=True)


def _show_against_home(source: Mapping, found: MappingReview, max_share: float, later: str) -> None:
    """Print what the lookups find in HOME, which references it lacks, and what the file would delete there.

    later: why there is nothing about HOME.
    """
    screen = terminal.out()
    if found.against_home is None:
        for name, count in found.looked_up.items():
            what = terminal.counted(count, "different value is", "different values are")
            screen.print(f"{name}: {what} looked up when the file is loaded{later}")
        return
    for name, each in found.against_home.references.items():
        what = terminal.counted(each.found, "different value is", "different values are")
        screen.print(f"{name}: {what} found in {each.extract} of HOME")
        if each.missing:
            terminal.warn(f"{name}: {each.extract} has no {_counted(each.missing)}: these rows would wait")
        if each.ambiguous:
            terminal.warn(f"{name}: several of {each.extract} are {_counted(each.ambiguous)}: these rows would wait")
    lost = found.against_home.lost
    if lost.unreadable:
        terminal.warn(snapshots.UNREADABLE)
    elif lost.are_too_many(max_share):
        terminal.warn(lost.refusal(source.name, source.snapshot))
    elif lost.lost:
        of = "the last snapshot" if source.snapshot else "the file as it was read before"
        terminal.warn(f"would delete {lost.lost} of the {lost.before} keys of {of}")
    elif source.snapshot:
        screen.print(f"snapshot: would delete none of the {lost.before} keys of the last one")
    if found.against_home.first_lost:
        terminal.warn(f"deleted would be, for example: {', '.join(found.against_home.first_lost)}")


def _show_problems(found: MappingReview) -> None:
    for doubt in found.doubts:
        terminal.warn(f"could mean something else: {doubt}")
    for name, values in found.unmapped.items():
        terminal.warn(f"{name}: nobody maps {_counted(values)}")
    for name, values in found.by_otherwise.items():
        terminal.warn(f"{name}: otherwise takes {_counted(values)}")
    if found.repeated.rows:
        terminal.warn(f"several rows have the same key, such as {'; '.join(found.repeated.first)}")
    for each in found.held:
        low, high = each.lines
        where = f"line {low}" if low == high else f"lines {low} to {high}"
        column = f" in {each.column}" if each.column else ""
        example = f", such as {each.example!r}" if each.example else ""
        advice = f": the mapping needs {each.advice}" if each.advice else ""
        terminal.warn(f"{_rows(each.rows)} would be quarantined: {each.reason}{column} ({where}{example}){advice}")
    if not found.held:
        terminal.out().print("[green]✓[/] no row breaks a rule of its own")


def _table(source: Mapping, found: MappingReview) -> Table:
    """One line for each column: an extract is wider than a terminal."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("column")
    table.add_column(f"native → value, first {SHOWN_ROWS} rows", overflow="fold")
    table.add_column("lowest … highest, if not held back")
    for name, pairs in found.values.items():
        shown = [_pair(native, value) for native, value in pairs[:_MOST_PAIRS]]
        if len(pairs) > _MOST_PAIRS:
            shown.append(f"and {len(pairs) - _MOST_PAIRS} more")
        low, high = found.ranges.get(name, ("", ""))
        table.add_row(escape(name), escape("\n".join(shown)), low if low == high else f"{low} … {high}")
    return table


def _pair(native: str | None, value: str) -> str:
    return value if native is None or native.strip() == value else f"{native} → {value}"


def _counted(values: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{value!r} ({_rows(count)})" for value, count in values)


def _rows(count: int) -> str:
    return terminal.counted(count, "row", "rows")


def _keys(source: Mapping, found: MappingReview) -> str:
    what = ", ".join(source.target.key)
    return f"{found.keys} different {what}"


def show_draft(file: Path, extract: str) -> None:
    """Print a first mapping of the file to the extract. Raises AmkpiError."""
    if extract not in EXTRACTS:
        raise AmkpiError(f"no extract {extract}; there are: {', '.join(EXTRACTS)}")
    if not file.is_file():
        raise AmkpiError(f"no file {file}")
    try:
        text = draft(file, EXTRACTS[extract], _pattern(file))
    except Unreadable as error:
        raise AmkpiError(f"{file.name}: {error}") from error
    print(text, end="")


def _pattern(file: Path) -> str:
    """A pattern for the file and its next exports: a number in the name, such as a year, may be another one."""
    return re.sub(r"\*[-_. *]*\*|\*+", "*", f"*{re.sub('[0-9]+', '*', file.stem)}*") + file.suffix


def show_schema() -> None:
    """Print the JSON schema of a mapping file."""
    print(json.dumps(schema(), ensure_ascii=False, indent=2))
