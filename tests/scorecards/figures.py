"""What a mail and its PDF must say of a card, worked out from the marts apart from the program: every figure of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
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
        "worse": "kém hơn {}", "same": "không đổi", "points": "{} điểm", "pp": "{} điểm %",
        "score": "Điểm tổng hợp {} · {}", "rating": "Xếp hạng {}",
        "too little": "Chưa xếp hạng ({} trọng số có dữ liệu, cần 70%)",
        "too early": "Chưa chấm điểm (mới có {} ngày dữ liệu, chấm điểm từ 7 ngày)",
        "no score": "Chưa xếp hạng (chưa chấm được chỉ số nào)",
        "score better": "tăng {points} điểm so với {period}", "score worse": "giảm {points} điểm so với {period}",
        "score same": "bằng {period}",
        "scored": "{}/8 chỉ số được chấm", "weight": "{} trọng số",
    },
    "en": {
        "actual": "Actual", "target": "Target", "attained": "Attained", "status": "Status", "trend": "Six periods",
        "bn": "bn ₫", "m": "m ₫", "of": "{} of {} ", "cost": "{} of {} · {} ", "better": "better by {}",
        "worse": "worse by {}", "same": "unchanged", "points": "{} points", "pp": "{} pp",
        "score": "Weighted score {} · {}", "rating": "Rating {}",
        "too little": "Not rated ({} of the weight has data, 70% needed)",
        "too early": "Not scored yet ({} days of data, scored from 7 on)",
        "no score": "Not rated (no KPI could be scored)",
        "score better": "{points} points better than {period}", "score worse": "{points} points worse than {period}",
        "score same": "same as {period}",
        "scored": "{} of 8 KPIs scored", "weight": "{} of the weight",
    },
}  # fmt: skip
STATUS = {
    "vi": {"on_target": "Đạt", "at_risk": "Theo dõi", "off_target": "Chưa đạt", "no_data": "Thiếu dữ liệu",
           "no_target": "Chưa đặt mục tiêu", "too_early": "Mới đầu kỳ"},
    "en": {"on_target": "On target", "at_risk": "At risk", "off_target": "Off target", "no_data": "No data",
           "no_target": "No target", "too_early": "Too early"},
}  # fmt: skip
SIGNS = {"on_target": "✓", "at_risk": "!", "off_target": "✗", "no_target": "○", "no_data": "–", "too_early": "»"}
# The lowest score of each rating, the share of the weight and the days of data that a score needs: the defaults.
BANDS = {"A+": 110, "A": 95, "B": 80, "C": 65, "D": 0}
NEEDED, DAYS = Decimal("0.7"), 7


def rounded(exact: Decimal, places: int, language: str) -> str:
    text = f"{exact.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP):,}"
    return text if language == "en" else text.translate(str.maketrans(",.", ".,"))


def shown(value: float | None, unit: str, language: str, beside: Iterable[float | None] = ()) -> str:
    """A figure as it should be read. beside: amounts that it is compared with, and shares its unit with."""
    if value is None:
        return "–"
    exact = Decimal(repr(value))
    if unit == "ratio":
        return rounded(exact * 100, 1, language) + "%"
    if unit == "score":
        return rounded(exact, 1, language)
    sizes = sorted(abs(Decimal(repr(each))) for each in (value, *beside) if each)
    scales = [max(step for step in (10**9, 10**6, 1) if size >= step or step == 1) for size in sizes] or [1]
    scale = scales[-1] if not sizes or sizes[0] * 10 >= scales[-1] else scales[0]
    exact /= scale
    suffix = {1: "₫", 10**6: WORDS[language]["m"], 10**9: WORDS[language]["bn"]}[scale]
    return f"{rounded(exact, 0 if exact == int(exact) else 2, language)} {suffix}"


def rated(score: float, rating: str, language: str) -> str:
    """A score as it should be read: rounded as the spec rounds it for the rating, and never in another band."""
    tenths = (Decimal(repr(round(score, 9))) * 10).quantize(Decimal(1), ROUND_HALF_UP)
    lowest = BANDS[rating] * 10
    highest = min((10 * least for least in BANDS.values() if least > BANDS[rating]), default=10**6) - 1
    return rounded(min(max(tenths, Decimal(lowest)), Decimal(highest)) / 10, 1, language)


def below(share: float, edges: Iterable[Decimal], language: str) -> str:
    """A share in whole per cent, with a place where the whole one would reach an edge that it is below."""
    exact = Decimal(repr(share)) * 100
    whole = exact.quantize(Decimal(1), ROUND_HALF_UP)
    for edge in (each * 100 for each in edges):
        if whole >= edge > exact:
            return rounded(min(exact, edge - Decimal("0.1")), 1, language) + "%"
    return rounded(exact, 0, language) + "%"


def attained(share: float | None, language: str) -> str:
    """Attainment in whole per cent, with a place where the whole one would pass for a better status."""
    if share is None:
        return "–"
    return below(share, (Decimal("0.9"), Decimal(1)), language)


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

    @property
    def days(self) -> int:
        (as_of,) = self.connection.execute("select as_of from publication").fetchall()[0]
        return (min(as_of, self.period.end) - self.period.start).days + 1

    @property
    def running(self) -> bool:
        (as_of,) = self.connection.execute("select as_of from publication").fetchall()[0]
        return bool(as_of < self.period.end)

    @property
    def too_early(self) -> bool:
        return self.running and self.days < DAYS

    def score(self) -> str:
        words = WORDS[self.language]
        score, rating, covered, count = self._rows(
            "weighted_score, rating, weight_covered, kpis_scored", "scorecards", self.period.start
        )[0]
        share = "" if covered is None else below(covered, [NEEDED], self.language)
        if self.too_early:
            parts = [words["score"].format("–", words["too early"].format(self.days))]
        elif rating:
            parts = [words["score"].format(rated(score, rating, self.language), words["rating"].format(rating))]
        else:
            why = words["no score" if score is None else "too little"].format(share)
            parts = [words["score"].format("–", why)]
        before = self._rows("weighted_score, rating", "scorecards", self.period.before().start)
        if rating and not self.running and before and before[0][1] is not None:
            points = rounded(abs(Decimal(repr(score)) - Decimal(repr(before[0][0]))), 1, self.language)
            moved = "same" if points in ("0,0", "0.0") else "better" if score > before[0][0] else "worse"
            gone = self.period.before().short("vi" if self.language == "vi" else "en")
            parts.append(words[f"score {moved}"].format(points=points, period=gone))
        parts.append(words["scored"].format(count))
        if covered is not None and not self.too_early:
            parts.append(words["weight"].format(share))
        return " · ".join(parts)

    def row(self, kpi: Kpi) -> Row:
        words, language = WORDS[self.language], self.language
        is_kpi = f"kpi = '{kpi.name}'"
        value, numerator, denominator, sample = self._rows(
            "value, numerator, denominator, sample_size", "kpi_values", self.period.start, is_kpi
        )[0]
        target, share, status, change = self._rows(
            "target, attainment, status, change", "scorecard_lines", self.period.start, is_kpi
        )[0]
        if self.too_early and status in ("at_risk", "off_target"):
            status = "too_early"
        n = rounded(Decimal(sample), 0, language)
        basis = f"{n} "
        if value is None:
            basis = ""
        elif kpi.name == "cost_to_budget_ratio":
            basis = words["cost"].format(
                shown(numerator, "money", language, [denominator]),
                shown(denominator, "money", language, [numerator]),
                n,
            )
        elif denominator is not None:
            basis = words["of"].format(rounded(Decimal(repr(numerator)), 0, language), n)
        movement = self._movement(kpi, change)
        rows = [(each, self._rows("value", "kpi_values", each.start, is_kpi)) for each in self.period.last(6)]
        values = [(each, found[0][0] if found else None) for each, found in rows]
        beside = [each for _, each in values]
        points = [
            (each.axis("vi" if language == "vi" else "en"), shown(one, kpi.unit, language, beside).removesuffix(" ₫"))
            for each, one in values
        ]
        figures = (
            shown(value, kpi.unit, language, [target]), shown(target, kpi.unit, language, [value]),
            attained(share, language),
        )  # fmt: skip
        word = STATUS[language][status]
        return Row(
            f"{words['actual']}: {figures[0]} | {words['target']}: {figures[1]} | {words['attained']}: {figures[2]}"
            f" | {words['status']}: {word}",
            basis,
            movement,
            f"{words['trend']}: " + "; ".join(f"{label} {text}" for label, text in points),
            " ".join(" ".join([*figures, movement, SIGNS[status], word, *(text for _, text in points)]).split()),
        )

    def _movement(self, kpi: Kpi, change: float | None) -> str:
        words, language = WORDS[self.language], self.language
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
