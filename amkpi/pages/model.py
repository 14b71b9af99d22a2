"""The content of a page: every text and figure is final. Templates lay it out and compute nothing.

A figure carries the number of the marts that it was made from, and the column that the number comes from. The element
around it says of whom, of which KPI and period. So a program can compare each figure of a page with the marts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from amkpi.core.language.translation import Language


@dataclass(frozen=True)
class Figure:
    """A number as readers see it. raw: as the marts have it, None for none. of: `table.column`."""

    text: str
    raw: float | int | None
    of: str


@dataclass(frozen=True)
class Day:
    """A date as readers see it, and the date itself."""

    text: str
    day: date


@dataclass(frozen=True)
class Name:
    """The name or id of a person, client, record or file: data that may hold any characters."""

    text: str


@dataclass(frozen=True)
class Span:
    """A period by its name."""

    text: str


@dataclass(frozen=True)
class Note:
    """What a thing is, in small letters below its name: a text of a catalogue."""

    text: str


@dataclass(frozen=True)
class Link:
    """A text that leads to another page."""

    content: Text
    href: str


Part = str | Figure | Day | Name | Span | Note | Link
# A sentence with its figures, dates and names in their places.
Text = tuple[Part, ...]


def plain_text(text: Text | Part) -> str:
    """A text without its marks."""
    if isinstance(text, str):
        return text
    if isinstance(text, tuple):
        return "".join(map(plain_text, text))
    return plain_text(text.content) if isinstance(text, Link) else text.text


@dataclass(frozen=True)
class Subject:
    """Of what the figures of an element are. A field that is None is as in the element around it.

    detail: what tells figures of one KPI apart: the supporting measure, or what a row of changes is of.
    """

    scope: str | None = None
    staff_id: str | None = None
    kpi: str | None = None
    grain: str | None = None
    start: date | None = None
    detail: str | None = None


@dataclass(frozen=True)
class NavLink:
    """A link of a menu. href is empty where there is no such page for this reader."""

    label: str
    href: str
    is_current: bool = False
    language: str = ""


@dataclass(frozen=True)
class PeriodSwitch:
    """The other periods of a page: one of each grain, the one before and after, and all of this grain."""

    title: str
    grains: tuple[NavLink, ...]
    before: NavLink | None
    after: NavLink | None
    all: tuple[NavLink, ...]


@dataclass(frozen=True)
class Layout:
    """What every page has around its content. root: the link to the folder of all pages."""

    language: Language
    title: str
    heading: Text
    eyebrow: Text
    state: Text
    root: str
    menu: tuple[NavLink, ...]
    languages: tuple[NavLink, ...]
    trail: tuple[NavLink, ...]
    periods: PeriodSwitch | None
    footer: Text
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Mark:
    """A period of a chart.

    x, y: its place; y is None without a value. label_y: of the value in words. name: the period in few words.
    """

    x: float
    y: float | None
    start: date
    name: str
    value: Figure
    note: str
    is_last: bool
    is_provisional: bool
    label_y: float = 0.0


@dataclass(frozen=True)
class Band:
    """A band of the ratings: its height on the chart, and its name."""

    name: str
    y: float
    height: float


@dataclass(frozen=True)
class Chart:
    """A chart of twelve periods. lines: points of the line, in pieces where a period has no value. target: the same."""

    width: int
    height: int
    title: str
    text: str
    marks: tuple[Mark, ...]
    lines: tuple[str, ...]
    target: tuple[str, ...]
    bands: tuple[Band, ...]


@dataclass(frozen=True)
class Status:
    """A status: its code, which chooses the style, its word and its sign."""

    code: str
    word: str
    sign: str


@dataclass(frozen=True)
class KpiCard:
    """A KPI of a scorecard. bar: per cent of target from 0 to 120, None where there is no attainment."""

    subject: Subject
    label: str
    question: str
    href: str
    status: Status
    value: Figure
    target: Text
    attained: Figure | None
    bar: float | None
    basis: Text
    interval: Text
    movement: str
    movement_text: Text
    trend: Chart


@dataclass(frozen=True)
class ScoreCard:
    """The weighted score of a person, a team or the company. makeup: None where there is no score."""

    subject: Subject
    title: Text
    subtitle: Text
    score: Figure
    rating: str
    rating_text: Text
    change: Text
    note: Text
    chart: Chart
    kpis: tuple[KpiCard, ...]
    makeup: Table | None


@dataclass(frozen=True)
class MatrixCell:
    """A KPI of a member: attainment and status, and the link to its page. sort: its place when sorted."""

    subject: Subject
    figure: Figure
    status: Status
    href: str


@dataclass(frozen=True)
class MatrixRow:
    """A person or team of a matrix."""

    subject: Subject
    name: Text
    sort: str
    role: str
    score: Figure
    rating: str
    cells: tuple[MatrixCell, ...]


@dataclass(frozen=True)
class Matrix:
    """Teams or people × KPIs: per cent of target attained."""

    title: str
    member_label: str
    heads: tuple[tuple[str, str], ...]
    rows: tuple[MatrixRow, ...]
    legend: tuple[tuple[Status, str], ...]
    note: Text


@dataclass(frozen=True)
class Table:
    """A table of texts. kinds: `text`, `number` or `date` of each column.

    anchors: the id of each row. keys: the record of each row, as source_id and event date. subjects: of what the
    figures of each row are.
    """

    title: str
    name: str
    heads: tuple[str, ...]
    kinds: tuple[str, ...]
    rows: tuple[tuple[Text, ...], ...]
    anchors: tuple[str, ...] = ()
    keys: tuple[tuple[str, date | None], ...] = ()
    subjects: tuple[Subject, ...] = ()
    empty: str = ""
    note: Text = ()


@dataclass(frozen=True)
class Fact:
    """A line of a list of facts: what it is, and the text."""

    label: str
    text: Text


@dataclass(frozen=True)
class ToDo:
    """A KPI below target with what to do: the records behind it, each with a link to its row.

    more: how many records come after the first five.
    """

    subject: Subject
    label: str
    href: str
    status: Status
    finding: Text
    records: tuple[Text, ...]
    more: Text


@dataclass(frozen=True)
class ToDoList:
    """The to-dos of one scorecard."""

    subject: Subject
    title: Text
    to_dos: tuple[ToDo, ...]


@dataclass(frozen=True)
class Page:
    """A page: its template, its layout and its content. Which fields a template uses is up to it."""

    template: str
    layout: Layout
    subject: Subject = Subject()
    opening: Text = ()
    card: ScoreCard | None = None
    others: tuple[MatrixRow, ...] = ()
    to_dos: tuple[ToDoList, ...] = ()
    matrices: tuple[Matrix, ...] = ()
    kpi: KpiCard | None = None
    facts: tuple[Fact, ...] = ()
    commands: tuple[tuple[str, str], ...] = ()
    csv: str = ""
    tables: tuple[Table, ...] = ()
    warnings: tuple[Text, ...] = ()
