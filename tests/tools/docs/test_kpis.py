"""The page of the KPIs has each of them in both languages."""

from __future__ import annotations

from amkpi.core.catalogue import kpis
from amkpi.core.language.translation import Language
from tools.docs.kpis import page

LANGUAGES: tuple[Language, ...] = ("en", "vi")


def test_the_catalogue_has_every_kpi_in_both_languages() -> None:
    made = {language: page(language) for language in LANGUAGES}
    for kpi in kpis():
        for language in LANGUAGES:
            assert f"## {kpi.number}. {kpi.label[language]} (`{kpi.name}`)" in made[language]
            assert kpi.question[language] in made[language]
            for reason, text in kpi.null_reasons.items():
                assert f"{text[language]}: `{reason}`" in made[language]
