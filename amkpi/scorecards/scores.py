"""Weighted scores as readers see them: none where there is too little behind it, and why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from amkpi.core.language import formatting
from amkpi.core.language.translation import Language
from amkpi.core.language.translator import Translator
from amkpi.core.settings import Settings


@dataclass(frozen=True)
class Score:
    """A row of scorecards."""

    score: float | None
    rating: str | None
    weight_covered: float | None
    kpis_scored: int
    is_provisional: bool


@dataclass(frozen=True)
class ScoreRules:
    """From when a score is shown, and rated.

    bands: the lowest score of each rating. min_weight_covered: the share of the weight that a rating needs.
    min_days: a period with data of fewer days shows no score.
    """

    bands: Mapping[str, float]
    min_weight_covered: float
    min_days: int

    @classmethod
    def of(cls, settings: Settings, published: str | None) -> ScoreRules:
        """The rules of a publication. published: its settings as JSON; None for one of version 0.1.0."""
        given: Any = (json.loads(published) if published else {}).get("kpi", {})
        bands = given.get("rating_bands") or [band.model_dump() for band in settings.kpi.rating_bands]
        return cls(
            {str(band["rating"]): float(band["at_least"]) for band in bands},
            float(given.get("min_weight_covered", settings.kpi.min_weight_covered)),
            settings.scorecards.min_days_for_score,
        )

    def is_too_early(self, is_provisional: bool, days: int) -> bool:
        """Whether a period is still too young to be judged. days: of its data."""
        return is_provisional and days < self.min_days

    def shown(self, score: Score | None, days: int) -> ShownScore:
        """The score as a reader sees it. days: of the period that have data."""
        if score is None or score.rating is None or self.is_too_early(score.is_provisional, days):
            return ShownScore(None, "", self, score, days)
        return ShownScore(score.score, score.rating, self, score, days)


@dataclass(frozen=True)
class ShownScore:
    """A score for readers: number and rating, or neither. days: of the period's data."""

    number: float | None
    rating: str
    rules: ScoreRules
    row: Score | None
    days: int

    @property
    def is_rated(self) -> bool:
        """Whether there is a score to show."""
        return self.number is not None

    @property
    def is_too_early(self) -> bool:
        """Whether the period is too young."""
        return self.row is not None and self.rules.is_too_early(self.row.is_provisional, self.days)

    def text(self, language: Language) -> str:
        """The figure, with one place; a dash for none."""
        if self.number is None:
            return "–"
        return formatting.score(self.number, language, self.rating, self.rules.bands)

    def rated(self, language: Language) -> str:
        """The figure and the rating: `101.9 A`; a dash for none."""
        return f"{self.text(language)} {self.rating}".strip()

    def reason(self, language: Language) -> str:
        """Why there is no score; empty where there is one."""
        translator = Translator(language)
        if self.is_rated:
            return ""
        if self.is_too_early:
            return translator.n(
                "{n} day of data, scored from {needed} on",
                "{n} days of data, scored from {needed} on",
                self.days,
                needed=formatting.number(self.rules.min_days, 0, language),
            )
        if self.row is None or self.row.score is None or self.row.weight_covered is None:
            return translator.t("no KPI could be scored")
        needed = self.rules.min_weight_covered
        return translator.t(
            "{share} of the weight has data, {needed} needed",
            share=f"{formatting.percent_below(self.row.weight_covered, [needed], language)}%",
            needed=f"{formatting.percent(needed, 0, language)}%",
        )
