"""A text in the two languages of the project, as data files have it: the KPI catalogue and the texts of the extracts.

Texts of the program itself are translated by gettext.
"""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

Language = Literal["vi", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)


class Translation(BaseModel):
    """A text in Vietnamese and in English."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    vi: str
    en: str

    def __getitem__(self, language: Language) -> str:
        """The text in that language."""
        return self.vi if language == "vi" else self.en


class CountedTranslation(Translation):
    """A text that follows a number. one: the English text after 1; Vietnamese has one form for all numbers."""

    one: str

    def after(self, count: int, language: Language) -> str:
        """The text for that number in that language."""
        return self.one if language == "en" and count == 1 else self[language]
