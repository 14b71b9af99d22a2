"""The page of the marts has every mart with its columns and questions."""

from __future__ import annotations

from amkpi.core.language.mart_texts import marts
from tools.docs.marts import QUESTIONS, page


def test_the_dictionary_has_every_mart_with_its_columns_and_questions() -> None:
    made = page()
    assert QUESTIONS.keys() == marts().keys()
    for name, mart in marts().items():
        section = made.split(f"\n## {name}\n")[1].split("\n## ")[0]
        for column in mart.columns:
            assert f"| `{column.name}` |" in section
