"""Reads pages back: every figure with what it is of, every link, and every text. And the marts to compare them with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb

VOID = {"meta", "link", "br", "img", "input", "hr"}
# Texts in these elements are data, or texts of the catalogue and headings that hold no figure of the marts.
FREE = {
    "data",
    "time",
    "bdi",
    "code",
    "pre",
    "title",
    "desc",
    "th",
    "dt",
    "nav",
    "h1",
    "h2",
    "h3",
    "figcaption",
    "abbr",
    "small",
}
IDENTITY = ("scope", "staff", "kpi", "grain", "start", "detail", "record", "day")
SCALES = {"tỷ": 9, "bn": 9, "triệu": 6, "m": 6}


@dataclass
class Seen:
    """A figure of a page. subject: scope, staff, kpi, grain, start, record and day of the elements around it."""

    text: str
    raw: str
    of: str
    subject: dict[str, str]

    @property
    def number(self) -> float | None:
        return float(self.raw) if self.raw else None


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    text: str = ""


@dataclass
class Document:
    """A page that was read back."""

    figures: list[Seen] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    elements: list[Element] = field(default_factory=list)
    loose: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    text: str = ""

    def all(self, tag: str) -> list[Element]:
        return [element for element in self.elements if element.tag == tag]


class Reader(HTMLParser):
    """Fills a Document. Every tag must be closed in order, and no attribute may be given twice."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.document = Document()
        self._open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        if len(set(names)) != len(names):
            self.document.faults.append(f"<{tag}> has an attribute twice")
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.document.elements.append(element)
        given = element.attributes
        self.document.links += [given[name] for name in ("href", "src") if name in given]
        self.document.ids += [given["id"]] if "id" in given else []
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1].tag != tag:
            self.document.faults.append(f"</{tag}> closes {[each.tag for each in self._open[-3:]]}")
            return
        element = self._open.pop()
        given = element.attributes
        if "data-of" in given:
            subject: dict[str, str] = {}
            for each in [*self._open, element]:
                subject |= {
                    name: each.attributes[f"data-{name}"] for name in IDENTITY if f"data-{name}" in each.attributes
                }
            raw = given["value"] if tag == "data" else given["data-value"]
            self.document.figures.append(Seen(element.text, raw, given["data-of"], subject))

    def handle_data(self, data: str) -> None:
        self.document.text += data
        for element in self._open:
            element.text += data
        around = {element.tag for element in self._open}
        classes = {name for element in self._open for name in element.attributes.get("class", "").split()}
        if (
            re.search(r"\d", re.sub(r"\b12 (tháng|kỳ)", "", data))
            and around & {"p", "td", "li"}
            and not around & FREE
            and not classes & {"period"}
        ):
            self.document.loose.append(data.strip())


def read(body: bytes) -> Document:
    """A page of bytes."""
    reader = Reader()
    reader.feed(body.decode())
    reader.close()
    assert not reader._open, f"not closed: {[each.tag for each in reader._open]}"
    return reader.document


def shown(text: str, language: str) -> tuple[Decimal, Decimal]:
    """The number that a text shows, in units of the marts, and half a unit of its last place."""
    text = text.replace("\u00a0", " ")
    found = re.search(r"[-−+]?\d[\d.,]*", text)
    assert found, text
    digits = found[0].replace("−", "-").rstrip(".,")
    thousands, point = (".", ",") if language == "vi" else (",", ".")
    number = Decimal(digits.replace(thousands, "").replace(point, "."))
    places = len(digits.partition(point)[2]) if point in digits else 0
    words = text[found.end() :].split()
    scale = SCALES.get(words[0].strip(), 0) if words else 0
    if "%" in text or "phần trăm" in text or "percentage" in text or "pp" in words:
        scale = -2
    return number.scaleb(scale), Decimal("0.5").scaleb(scale - places)


class Marts:
    """The marts of a publication, by the identity of a figure."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        connection.execute("set search_path = 'marts'")
        self._tables: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = {}

    @classmethod
    @contextmanager
    def opened(cls, file: Path) -> Iterator[Marts]:
        with duckdb.connect(str(file), read_only=True) as connection:
            yield cls(connection)

    def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        result = self.connection.execute(sql, list(values))
        names = [column[0] for column in result.description or []]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def by(self, table: str, *key: str) -> dict[tuple[Any, ...], dict[str, Any]]:
        if table not in self._tables:
            self._tables[table] = {
                tuple("" if row[name] is None else str(row[name]) for name in key): row
                for row in self.rows(f"select * from {table}")
            }
        return self._tables[table]

    def column(self, table: str, column: str) -> set[float]:
        return {
            float(row[column]) for row in self.rows(f"select distinct {column} from {table} where {column} is not null")
        }
