"""What a mail and its PDF must say of a card, worked out from the marts apart from the program: every figure of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import duckdb

from amkpi.core.catalogue import Kpi, kpis
from amkpi.core.language.periods import Period

WORDS: dict[str, dict[str, str]] = {
    "vi": {
        "actual": "Thực tế", "target": "Mục tiêu", "attained": "Đạt", "status": "Trạng thái", "trend": "Sáu kỳ",
        "bn": "tỷ ₫", "m": "triệu ₫", "of": "{}/{} ", "cost": "{} / {} · {} ", "better": "tốt hơn {}",
        "worse": "kém hơn {}", "same": "không đổi", "whole": "cả {}: {}", "points": "{} điểm", "pp": "{} điểm %",
        "score": "Điểm tổng hợp {} · {}", "rating": "Xếp hạng {}",
        "too little": "Chưa xếp hạng (mới chấm được {} trọng số)",
        "no score": "Chưa xếp hạng (chưa chấm được chỉ số nào)",
        "score better": "tăng {points} điểm so với {period}", "score worse": "giảm {points} điểm so với {period}",
        "score same": "bằng {period}",
        "scored": "{}/8 chỉ số được chấm", "weight": "{} trọng số",
    },
    "en": {
        "actual": "Actual", "target": "Target", "attained": "Attained", "status": "Status", "trend": "Six periods",
        "bn": "bn ₫", "m": "m ₫", "of": "{} of {} ", "cost": "{} of {} · {} ", "better": "better by {}",
        "worse": "worse by {}", "same": "unchanged", "whole": "{} in whole: {}", "points": "{} points", "pp": "{} pp",
        "score": "Weighted score {} · {}", "rating": "Rating {}",
        "too little": "Not rated (only {} of the weight is scored)", "no score": "Not rated (no KPI could be scored)",
        "score better": "{points} points better than {period}", "score worse": "{points} points worse than {period}",
        "score same": "same as {period}",
        "scored": "{} of 8 KPIs scored", "weight": "{} of the weight",
    },
}  # fmt: skip
STATUS = {
    "vi": {"on_target": "Đạt", "at_risk": "Theo dõi", "off_target": "Chưa đạt", "no_data": "Thiếu dữ liệu",
           "no_target": "Chưa đặt mục tiêu"},
    "en": {"on_target": "On target", "at_risk": "At risk", "off_target": "Off target", "no_data": "No data",
           "no_target": "No target"},
}  # fmt: skip
SIGNS = {"on_target": "✓", "at_risk": "!", "off_target": "✗", "no_target": "○", "no_data": "–"}


def rounded(exact: Decimal, places: int, language: str) -> str:
    text = f"{exact.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP):,}"
    return text if language == "en" else text.translate(str.maketrans(",.", ".,"))


def shown(value: float | None, unit: str, language: str) -> str:
    """A figure as it should be read."""
    if value is None:
        return "–"
    exact = Decimal(repr(value))
    if unit == "ratio":
        return rounded(exact * 100, 1, language) + "%"
    if unit == "score":
        return rounded(exact, 1, language)
    suffix = " ₫"
    if abs(exact) >= 10**9:
        exact, suffix = exact / 10**9, f" {WORDS[language]['bn']}"
    elif abs(exact) >= 10**6:
        exact, suffix = exact / 10**6, f" {WORDS[language]['m']}"
    return rounded(exact, 0 if exact == int(exact) else 2, language) + suffix


def attained(share: float | None, language: str) -> str:
    """Attainment in whole per cent, with a place where the whole one would pass for a better status."""
    if share is None:
        return "–"
    exact = Decimal(repr(share)) * 100
    whole = exact.quantize(Decimal(1), ROUND_HALF_UP)
    for edge in (90, 100):
        if whole >= edge > exact:
            return rounded(min(exact, edge - Decimal("0.1")), 1, language) + "%"
    return rounded(exact, 0, language) + "%"


@dataclass(frozen=True)
class Row:
    """A KPI of a card: its text lines, and its row in the PDF. basis: how the line under the label begins."""

    figures: str
    basis: str
    movement: str
    trend: str
    pdf: str


@dataclass(frozen=True)
class Card:
    """A card's line of scores, and its eight KPIs."""

    score: str
    rows: tuple[Row, ...]


def card(
    connection: duckdb.DuckDBPyConnection, scope: str, staff_id: str | None, period: Period, language: str
) -> Card:
    """What the card of that scope and person must say."""
    read = _Reader(connection, scope, staff_id, period, language)
    return Card(read.score(), tuple(read.row(kpi) for kpi in kpis()))


@dataclass(frozen=True)
class _Reader:
    connection: duckdb.DuckDBPyConnection
    scope: str
    staff_id: str | None
    period: Period
    language: str

    def _rows(self, columns: str, table: str, start: date, where: str = "true") -> list[tuple[Any, ...]]:
        return self.connection.execute(
            f"select {columns} from {table} where scope = ? and staff_id is not distinct from ?"
            f" and period_grain = ? and period_start = ? and {where}",
            [self.scope, self.staff_id, self.period.grain, start],
        ).fetchall()

    def score(self) -> str:
        words = WORDS[self.language]
        score, rating, covered, count = self._rows(
            "weighted_score, rating, weight_covered, kpis_scored", "scorecards", self.period.start
        )[0]
        share = "" if covered is None else rounded(Decimal(repr(covered)) * 100, 0, self.language) + "%"
        rated = words["rating"].format(rating) if rating else words["no score" if score is None else "too little"]
        parts = [words["score"].format(shown(score, "score", self.language), rated.format(share))]
        before = self._rows("weighted_score", "scorecards", self.period.before().start)
        if score is not None and before and before[0][0] is not None:
            points = rounded(abs(Decimal(repr(score)) - Decimal(repr(before[0][0]))), 1, self.language)
            moved = "same" if points in ("0,0", "0.0") else "better" if score > before[0][0] else "worse"
            gone = self.period.before().short("vi" if self.language == "vi" else "en")
            parts.append(words[f"score {moved}"].format(points=points, period=gone))
        parts.append(words["scored"].format(count))
        if covered is not None:
            parts.append(words["weight"].format(share))
        return " · ".join(parts)

    def row(self, kpi: Kpi) -> Row:
        words, language = WORDS[self.language], self.language
        is_kpi = f"kpi = '{kpi.name}'"
        value, numerator, denominator, sample, provisional = self._rows(
            "value, numerator, denominator, sample_size, is_provisional", "kpi_values", self.period.start, is_kpi
        )[0]
        target, share, status, change = self._rows(
            "target, attainment, status, change", "scorecard_lines", self.period.start, is_kpi
        )[0]
        n = rounded(Decimal(sample), 0, language)
        basis = f"{n} "
        if value is None:
            basis = ""
        elif kpi.name == "cost_to_budget_ratio":
            basis = words["cost"].format(shown(numerator, "money", language), shown(denominator, "money", language), n)
        elif denominator is not None:
            basis = words["of"].format(rounded(Decimal(repr(numerator)), 0, language), n)
        movement = self._movement(kpi, change, provisional)
        points = []
        for each in self.period.last(6):
            found = self._rows("value", "kpi_values", each.start, is_kpi)
            label = each.axis("vi" if language == "vi" else "en")
            points.append((label, shown(found[0][0] if found else None, kpi.unit, language).removesuffix(" ₫")))
        figures = shown(value, kpi.unit, language), shown(target, kpi.unit, language), attained(share, language)
        word = STATUS[language][status]
        return Row(
            f"{words['actual']}: {figures[0]} | {words['target']}: {figures[1]} | {words['attained']}: {figures[2]}"
            f" | {words['status']}: {word}",
            basis,
            movement,
            f"{words['trend']}: " + "; ".join(f"{label} {text}" for label, text in points),
            " ".join(" ".join([*figures, movement, SIGNS[status], word, *(text for _, text in points)]).split()),
        )

    def _movement(self, kpi: Kpi, change: float | None, provisional: bool) -> str:
        words, language = WORDS[self.language], self.language
        before = self._rows("value", "kpi_values", self.period.before().start, f"kpi = '{kpi.name}'")
        if kpi.unit == "money" and provisional and before:
            gone = self.period.before().short("vi" if language == "vi" else "en")
            return words["whole"].format(gone, shown(before[0][0], "money", language))
        if change is None:
            return ""
        amount = {
            "money": shown(abs(change), "money", language),
            "ratio": words["pp"].format(rounded(Decimal(repr(abs(change))) * 100, 1, language)),
            "score": words["points"].format(rounded(Decimal(repr(abs(change))), 1, language)),
        }[kpi.unit]
        if not re.search("[1-9]", amount):
            return words["same"]
        return words["better" if (change > 0) == (kpi.better == "higher") else "worse"].format(amount)


def cards_of(text: str, language: str) -> list[list[str]]:
    """The lines of each card in a mail's plain text, from its line of scores on."""
    begin = WORDS[language]["score"].split("{}")[0]
    found: list[list[str]] = []
    inside = False
    for line in text.splitlines():
        bare = line.strip()
        if line.startswith(begin) and " · " in line:
            found.append([])
            inside = True
        elif line.startswith(("== ", "-- ")) or line == "--":
            inside = False
        if inside and bare:
            found[-1].append(bare)
    return found


def wrong_in_text(block: list[str], wanted: Card) -> list[str]:
    """The lines of a card that are not what the marts say."""
    wrong = [] if block[0] == wanted.score else [f"{block[0]!r}, not {wanted.score!r}"]
    kpi_lines = block[1:]
    if len(kpi_lines) != 4 * len(wanted.rows):
        return [*wrong, f"{len(kpi_lines)} lines for {len(wanted.rows)} KPIs"]
    for place, row in enumerate(wanted.rows):
        _, figures, below, trend = kpi_lines[4 * place : 4 * place + 4]
        basis, _, movement = below.partition(" | ")
        wrong += [
            f"{said!r}, not {meant!r}"
            for said, meant in ((figures, row.figures), (movement, row.movement), (trend, row.trend))
            if said != meant
        ]
        if not basis.startswith(row.basis) or re.search(r"\d", basis.removeprefix(row.basis)):
            wrong.append(f"{basis!r} does not begin {row.basis!r}")
    return wrong


def wrong_in_pdf(text: str, wanted: Card) -> list[str]:
    """The rows of a card that the PDF's text, its spaces made one, does not have."""
    missing = [row.pdf for row in wanted.rows if row.pdf not in text]
    score = wanted.score.split(" · ", 2)
    return missing + [part for part in (" · ".join(score[:2]), *score[2:]) if part not in text]
