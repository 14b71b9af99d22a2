"""The draft of a mapping: a first version that is valid at once, with what to check in comments.

It is written from the names and the values of a native file. A guess says on how many values it rests; a guess that
could be wrong is marked with CHECK. A required column that nothing in the file matches is empty in every row, so that
its rows are held back and no value is invented.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from amkpi.ingestion.contracts.extracts import Column, Extract
from amkpi.ingestion.mappings.drafts import guesses
from amkpi.ingestion.mappings.drafts.sample import Cell, Sample, take_sample
from amkpi.ingestion.mappings.drafts.synonyms import NAMES_OF, matches, meaning, plain
from amkpi.ingestion.mappings.names import folded_cell
from amkpi.ingestion.readers import loose

# Characters that JSON leaves as they are, but YAML refuses or treats as the end of a line.
_LINE_BREAKING = re.compile("[\x7f-\x9f\u2028\u2029\ufeff]")
_MOST_VALUES = 30
_MOST_KEY_COLUMNS = 3
_LEADING_NUMBER = re.compile(r"[0-9]+\b")
# A file of answers has one moment for both.
_SAME_AS = {"sent_date": "responded_date"}
_NOTHING = '{ sql: "cast(null as varchar)" }'
# The scale of a survey, where the file has only answers.
_SCALES = (5, 10, 100)


@dataclass(frozen=True)
class _Line:
    """One column of the mapping: its rule, and what to say about it."""

    column: str
    rule: str
    remark: str = ""
    more: tuple[str, ...] = ()


def draft(path: Path, extract: Extract, file_pattern: str) -> str:
    """The text of a mapping file for this native file. Raises Unreadable if the file cannot be read."""
    known = frozenset(loose(column.name) for column in extract.all_columns)
    sample = take_sample(path, known, lambda header: len(matches(header, extract)))
    return draft_of(sample, extract, file_pattern)


def draft_of(sample: Sample, extract: Extract, file_pattern: str) -> str:
    """The text of a mapping file for a file with this sample."""
    found = matches(sample.header, extract)
    lines: list[_Line] = []
    has_offset = False
    for column in extract.all_columns:
        line, offset = _line(column, extract, sample, found)
        if line is not None:
            lines.append(line)
        has_offset = has_offset or offset
    head = [
        f"# A draft (rows read: {sample.rows}). Read each CHECK, then run:",
        "#   amkpi sources check FILE --mapping THIS_FILE",
        *(f"# {note}" for note in sample.notes),
        f"file: {_quoted(file_pattern)}  # CHECK: whether it takes the next export too",
        f"extract: {extract.name}",
    ]
    if sample.sheet is not None:
        head.append(f"sheet: {_quoted(sample.sheet)}  # CHECK: the sheet with the most columns that are known")
    if sample.header_row is not None:
        head.append(f"header: {{ row: {sample.header_row} }}  # CHECK: the first row with the names of the columns")
    if sample.total is not None:
        word = re.escape(sample.total[1].split()[0].rstrip(":"))
        where = f"column: {_quoted(sample.total[0])}, matches: {_quoted('^' + word)}"
        head.append(f"stop_at: {{ {where} }}  # CHECK: the first row below the data")
    used = {title for line in lines for title in sample.columns if title in line.rule or _quoted(title) in line.rule}
    merged = ", ".join(_quoted(title) for title in sample.merged if title in used)
    if merged:
        head.append(f"fill_down: [{merged}]  # CHECK: cells are merged, so each row takes the value above")
    if has_offset:
        head.append("time_zone: local  # the agency's day of a moment; as_written keeps the day that is written")
    body = ["", "columns:"]
    for line in lines:
        remark = f"  # {line.remark}" if line.remark else ""
        body += [f"  {line.column}: {line.rule}{remark}", *(f"  # {text}" for text in line.more)]
    unused = [title.strip() for title in sample.header if title.strip() and title.strip() not in used]
    if unused:
        body += ["", "# Not used:", *(f"#   {_quoted(title)}" for title in unused)]
    return "\n".join([*head, *body]) + "\n"


def _line(column: Column, extract: Extract, sample: Sample, found: dict[str, str]) -> tuple[_Line | None, bool]:
    """The line of one column, None if it is left out; and whether its moments have offsets."""
    title = found.get(column.name)
    if title is None:
        return _unmatched(column, extract, sample, found), False
    cells = sample.filled(title)
    name = _quoted(title)
    remark = "" if cells else "empty in every row of the sample"
    if column.type in ("date", "timestamp"):
        guess = guesses.dates(cells)
    elif column.type == "number":
        guess = guesses.numbers(cells)
    elif column.choices or column.type == "boolean" or column.currency:
        return _with_words(column, title, cells), False
    else:
        return _text(column, extract, title, sample), False
    if guess is None:
        return _unreadable(column, title, cells), False
    remark = remark or _rests_on(guess)
    rule = f"{{ column: {name}, {', '.join(guess.keys)} }}" if guess.keys else name
    return _Line(column.name, rule, remark), guess.has_offset and column.type == "date"


def _unreadable(column: Column, title: str, cells: Sequence[Cell]) -> _Line:
    """A column whose texts are not of its type: its leading number, where every text has one."""
    if not cells:
        return _Line(column.name, _quoted(title), "empty in every row of the sample")
    if column.type == "number" and all(_LEADING_NUMBER.match(cell.text) for cell in cells):
        number = 'regexp_extract("' + title.replace('"', '""') + "\", '^[0-9]+')"
        return _Line(column.name, f"{{ sql: {_quoted(number)} }}", f"CHECK: the number of {cells[0].text!r}")
    return _Line(column.name, _quoted(title), f"CHECK: its values are no {column.type}s, such as {cells[0].text!r}")


def _rests_on(guess: guesses.Guess) -> str:
    all_of_them = guess.read == guess.of
    read = f"reads {guess.read} of {guess.of} different values"
    doubts = [] if all_of_them else ["rows with the others are held back"]
    doubts += [guess.doubt] if guess.doubt else []
    return f"CHECK: {'; '.join([read, *doubts])}" if doubts else read


def _text(column: Column, extract: Extract, title: str, sample: Sample) -> _Line:
    """A column of ids, names or words."""
    cells = sample.filled(title)
    if column.name in extract.key and len(extract.key) == 1:
        return _Line(column.name, _quoted(title), _uniqueness(cells, sample.rows))
    looked_up = _lookup(column, cells)
    if looked_up:
        return _looked_up(column, title, looked_up)
    return _Line(column.name, _quoted(title), "" if cells else "empty in every row of the sample")


def _uniqueness(cells: Sequence[Cell], rows: int) -> str:
    counts = Counter(cell.text for cell in cells)
    repeated = [text for text, count in counts.items() if count > 1]
    if repeated:
        return (
            f"CHECK: {len(repeated)} keys are there several times, such as {repeated[0]!r}: add duplicates: last or"
            " sum(column), or use id_from"
        )
    empty = rows - len(cells)
    return f"CHECK: empty in {empty} of {rows} rows" if empty else f"different in all rows ({rows})"


def _looked_up(column: Column, title: str, lookup: str) -> _Line:
    rule = f"{{ column: {_quoted(title)}, lookup: {lookup} }}"
    return _Line(column.name, rule, "CHECK: its values look like names or addresses, not like ids")


def _lookup(column: Column, cells: Sequence[Cell]) -> str | None:
    """The lookup for a column of ids whose values are addresses or names; None if they may be ids."""
    if column.references is None or not cells:
        return None
    texts = [cell.text for cell in cells]
    if column.references == "staff" and _most("@" in text for text in texts):
        return "{ extract: staff, by: email }"
    if _most(" " in text or not text.isascii() for text in texts):
        by = {"staff": "full_name", "clients": "client_name", "projects": "project_name"}[column.references]
        return f"{{ extract: {column.references}, by: {by} }}"
    return None


def _most(flags: Iterator[bool]) -> bool:
    known = list(flags)
    return sum(known) * 2 > len(known)


def _with_words(column: Column, title: str, cells: Sequence[Cell]) -> _Line:
    """A column of choices, booleans or currencies: its values, with those that are known."""
    counts = Counter(cell.text for cell in cells)
    values = {text: meaning(column, text) for text, _ in counts.most_common(_MOST_VALUES)}
    mapped = {text: target for text, target in values.items() if target is not None and target != text}
    unknown = [text for text, target in values.items() if target is None and not _is_value(column, text)]
    rule = _quoted(title)
    if mapped:
        pairs = ", ".join(f"{_quoted(text)}: {target}" for text, target in mapped.items())
        rule = f"{{ column: {rule}, values: {{ {pairs} }} }}"
    more = [f"CHECK: nobody maps {_quoted(text)} (rows: {counts[text]}); they are held back" for text in unknown]
    if column.choices and (unknown or mapped):
        more.append(f"values: {', '.join(column.choices)}")
    return _Line(column.name, rule, "CHECK: the meaning of the words" if mapped else "", tuple(more))


def _is_value(column: Column, text: str) -> bool:
    if column.currency:
        return re.fullmatch("[A-Z]{3}", text) is not None
    return text.lower() in {"t", "f"} if column.type == "boolean" else text in column.choices


def _unmatched(column: Column, extract: Extract, sample: Sample, found: dict[str, str]) -> _Line | None:
    """The line of a column that no native column has the name of; None to leave it out."""
    if column.references in NAMES_OF:
        named = next((t for t in sample.columns if plain(t) in map(plain, NAMES_OF[column.references or ""])), None)
        if named and named not in found.values():
            looked_up = _lookup(column, sample.filled(named))
            if looked_up:
                return _looked_up(column, named, looked_up)
            return _Line(column.name, _quoted(named), "CHECK: its values look like ids")
    needed = dict(extract.needs).get(column.name)
    if needed is not None:
        return _Line(column.name, _NOTHING, f"CHECK: nothing in the file looks like it; required where {needed}")
    if column.name not in extract.required:
        return None
    if column.name == extract.key[0] and column.type == "text" and len(extract.key) == 1:
        return _made_key(column, sample)
    same = found.get(_SAME_AS.get(column.name, ""))
    if same is not None:
        line, _ = _line(column, extract, sample, {column.name: same})
        return None if line is None else replace(line, remark=f"CHECK: the same as {_SAME_AS[column.name]}")
    if column.currency:
        return _Line(column.name, "{ constant: VND }", "CHECK: the file has no column of currencies")
    if column.name in ("scale_min", "scale_max"):
        scores = [float(c.text) for c in sample.filled(found.get("score", "")) if re.fullmatch(r"\d+(\.\d+)?", c.text)]
        top = next((scale for scale in _SCALES if scale >= max(scores, default=0)), _SCALES[-1])
        value = 1 if column.name == "scale_min" else top
        return _Line(column.name, f"{{ constant: {value} }}", "CHECK: the scale of the survey")
    choices = f": one of {', '.join(column.choices)}" if column.choices else ""
    return _Line(column.name, _NOTHING, f"CHECK: required, and nothing in the file looks like it{choices}")


def _made_key(column: Column, sample: Sample) -> _Line:
    """A key for a file without a column of ids: the fewest columns that make its rows different."""
    titles = [title for title, cells in sample.columns.items() if any(cells)]
    for count in range(1, _MOST_KEY_COLUMNS + 1):
        for chosen in combinations(titles[:12], count):
            keys = Counter(
                tuple(folded_cell(cell.text) if cell else "" for cell in row)
                for row in zip(*(sample.columns[title] for title in chosen), strict=True)
            )
            if keys and max(keys.values()) == 1:
                names = ", ".join(_quoted(title) for title in chosen)
                return _Line(
                    column.name,
                    f"{{ id_from: [{names}] }}",
                    f"CHECK: different in all rows ({sample.rows}); do they identify it?",
                )
    names = ", ".join(_quoted(title) for title in titles[:12])
    return _Line(column.name, f"{{ id_from: [{names}] }}", "CHECK: rows with the same values are numbered")


def _quoted(text: str) -> str:
    """The text as a YAML scalar, whatever characters it has."""
    return _LINE_BREAKING.sub(lambda found: f"\\u{ord(found.group()):04x}", json.dumps(text, ensure_ascii=False))
