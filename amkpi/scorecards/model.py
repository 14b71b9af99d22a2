"""The content of one mail: every figure and text is final. Templates lay it out and compute nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from amkpi.scorecards.recipients import Recipient

# A status is never shown by colour alone.
SIGNS = {
    "on_target": "✓", "at_risk": "!", "off_target": "✗", "still_open": "…", "too_early": "»", "no_target": "○",
    "no_data": "–",
}  # fmt: skip


@dataclass(frozen=True)
class Point:
    """One period of a trend. height: 0 to 100 per cent of the highest value, None without a value."""

    period: str
    text: str
    height: int | None


@dataclass(frozen=True)
class KpiLine:
    """One KPI of a card. status and movement are codes that choose the style; the other fields are shown.

    bar: the attainment in whole per cent, at most 120; the target is at 100. None without one.
    """

    kpi: str
    label: str
    actual: str
    target: str
    attained: str
    bar: int | None
    status: str
    status_word: str
    sign: str
    movement: str
    movement_text: str
    basis: str
    trend: tuple[Point, ...]
    trend_text: str


@dataclass(frozen=True)
class Card:
    """The scorecard of a person, a team or the company. rating: empty where it is not rated; rating_text says why."""

    scope: str
    staff_id: str | None
    title: str
    subtitle: str
    score: str
    rating: str
    rating_text: str
    change: str
    note: str
    lines: tuple[KpiLine, ...]


@dataclass(frozen=True)
class Piece:
    """A part of a to-do. href: the address of the page about it; empty where there is none."""

    text: str
    href: str = ""


@dataclass(frozen=True)
class Todo:
    """A record that keeps a KPI from its target. what: its state and, where it has one, the sum; empty for a remark.

    pieces: name, client, sum and person. The ids are of the record; staff_id is None where the reader may not know it.
    """

    what: str
    pieces: tuple[Piece, ...]
    state: str
    kpi: str
    client_id: str | None
    source_id: str | None
    staff_id: str | None

    @property
    def about(self) -> str:
        """The pieces in one line."""
        return " · ".join(piece.text for piece in self.pieces)

    @property
    def separator(self) -> str:
        """What is between the two; empty where there is only one."""
        return " · " if self.what and self.pieces else ""


@dataclass(frozen=True)
class MissedKpi:
    """A KPI that needs attention, with the records behind it.

    href: the address of its page; empty where there is none. loss: how many points it costs. more: how many records
    were left out.
    """

    kpi: str
    label: str
    href: str
    finding: str
    loss: str
    status: str
    status_word: str
    sign: str
    todos: tuple[Todo, ...]
    more: str


@dataclass(frozen=True)
class TodoPart:
    """What is to be done about one scorecard of the reader. name: whose scorecard."""

    scope: str
    staff_id: str | None
    name: str
    title: str
    items: tuple[MissedKpi, ...]


@dataclass(frozen=True)
class Tile:
    """A figure at the head of a mail: what it is, the figure, and what it is compared with."""

    label: str
    figure: str
    note: str


@dataclass(frozen=True)
class Cell:
    """A KPI in a matrix."""

    text: str
    sign: str
    status: str


@dataclass(frozen=True)
class MatrixRow:
    """A person, or a team, in a matrix. depth: 0, or how far below another team of the matrix. why: of no score."""

    staff_id: str
    name: str
    depth: int
    score: str
    rating: str
    why: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Matrix:
    """People or teams × KPIs: the attainment of each. whose: the heading of the rows."""

    title: str
    whose: str
    heads: tuple[tuple[str, str], ...]
    rows: tuple[MatrixRow, ...]
    legend: tuple[tuple[str, str, str, str], ...]
    note: str


@dataclass(frozen=True)
class Definition:
    """A KPI with its explanation in the PDF."""

    label: str
    question: str
    formula: str


@dataclass(frozen=True)
class EvidenceRow:
    """A record behind a value: a row of the workbook."""

    kpi: str
    person: str
    client_id: str
    client: str
    event_date: date | None
    extract: str
    source_id: str
    numerator: float | None
    denominator: float | None


Figure = float | str | None


@dataclass(frozen=True)
class SentFigure:
    """A figure of a period that is over, as this mail reports it; kept in the sending history.

    kpi: None for a scorecard. what: `value`, `target`, `attainment` or `weight` of a KPI, `score` or `rating` of a
    scorecard. figure: None where the mail shows that there is none.
    """

    scope: str
    staff_id: str | None
    kpi: str | None
    grain: str
    period_start: date
    what: str
    figure: Figure


@dataclass(frozen=True)
class ScoreBar:
    """A period of the chart: weighted score and rating."""

    period: str
    score: float | None
    text: str
    rating: str


@dataclass(frozen=True)
class RegisterLine:
    """The last line of the register of closings: its number, and its hash in full."""

    n: int
    sha256: str


@dataclass(frozen=True)
class Scorecard:
    """The content of one mail: for one recipient, from one publication.

    lead: the sentences at its head. matrix: of all people, for the PDF. matrix_in_mail: None where the mail shows the
    teams alone. link: the address of the reader's pages; empty where there are none.
    """

    recipient: Recipient
    grain: str
    period: str
    publication_id: str
    published_at: datetime
    as_of: date
    is_provisional: bool
    subject: str
    heading: str
    eyebrow: str
    personal: str
    state: str
    chart: tuple[ScoreBar, ...]
    chart_title: str
    chart_text: str
    lead: tuple[str, ...]
    tiles: tuple[Tile, ...]
    todos: tuple[TodoPart, ...]
    cards: tuple[Card, ...]
    teams: Matrix | None
    matrix: Matrix | None
    matrix_in_mail: Matrix | None
    people_title: str
    people_in_mail: tuple[Card, ...]
    everyone: tuple[Card, ...]
    changes: tuple[str, ...]
    changes_more: str
    all_changes: tuple[str, ...]
    adjustments: tuple[str, ...]
    adjustments_more: str
    all_adjustments: tuple[str, ...]
    register: RegisterLine | None
    warnings: tuple[str, ...]
    definitions: tuple[Definition, ...]
    evidence: tuple[EvidenceRow, ...]
    sent_figures: tuple[SentFigure, ...]
    labels: Mapping[str, str]
    link: str
