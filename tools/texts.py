"""`make texts`: bring the message catalogues in line with the code.

A text that the code has and a catalogue lacks is added: in English as it is, in Vietnamese empty, which
`tests/core/language/test_texts.py` refuses until it is translated. A text that the code does not have any more is
removed.
"""

from __future__ import annotations

import ast
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from babel.messages.catalog import Catalog
from babel.messages.catalog import Message as BabelMessage
from babel.messages.pofile import read_po, write_po

from amkpi.core.language.mart_texts import marts
from amkpi.core.language.translation import Language
from amkpi.core.language.translator import catalogue_file
from amkpi.core.paths import PACKAGE
from amkpi.layers import LAYERS

_HEADER = """\
# The texts that people read. `make texts` adds those of the code to this file; translate what is empty.
msgid ""
msgstr ""
"Language: {language}\\n"
"Plural-Forms: {plurals}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""


@dataclass(frozen=True)
class Text:
    """A text of the code: the msgid, its plural where it has one, and where it is."""

    singular: str
    plural: str
    place: str


def texts() -> Iterator[Text]:
    """Every literal in `t("…")`, `Message("…")` and `n("…", "…", count)` of the package, and every text of the marts.

    Raises ValueError for a text that is put together before it is translated.
    """
    for layer in LAYERS:
        folder = (PACKAGE / layer).resolve()
        for path in sorted(folder.rglob("*.py")):
            place = f"{layer}/{path.relative_to(folder)}"
            for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(call, ast.Call) and call.args:
                    yield from _texts_of(call, place)
    for mart in marts().values():
        for text in (mart.text, *(column.text for column in mart.columns)):
            yield Text(text, "", "dbt_project/models/marts")


def _texts_of(call: ast.Call, place: str) -> Iterator[Text]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    wanted = {"t": 1, "Message": 1, "n": 2}.get(name, 0)
    given = call.args[:wanted]
    if any(isinstance(each, ast.JoinedStr | ast.BinOp) for each in given):
        raise ValueError(f"{place}:{call.lineno}: a text is a literal with placeholders, not an expression")
    literals = [each.value for each in given if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    if wanted and len(literals) == wanted:
        yield Text(literals[0], literals[1] if wanted == 2 else "", place)


def read_catalogue(language: Language) -> Catalog:
    """The catalogue of a language as it is in the repository."""
    with catalogue_file(language).open("rb") as file:
        return read_po(file, locale=language)


def updated(language: Language) -> str:
    """The content of a language's catalogue with exactly the texts of the code, in the order of the texts."""
    before, after = read_catalogue(language), Catalog(locale=language)
    for text in sorted(set(texts()), key=lambda each: (each.singular, each.place)):
        known = before.get(text.singular)
        translation = known.string if known is not None else ""
        if language == "en":
            translation = (text.singular, text.plural) if text.plural else text.singular
        elif text.plural and isinstance(translation, str):
            translation = (translation,)
        after.add(
            (text.singular, text.plural) if text.plural else text.singular, translation, locations=[(text.place, 0)]
        )
    out = io.BytesIO()
    write_po(out, after, width=0, sort_output=True, include_lineno=False, omit_header=True)
    return _HEADER.format(language=language, plurals=after.plural_forms) + out.getvalue().decode()


def is_translated(message: BabelMessage) -> bool:
    """Whether a message of a catalogue has a text in each of its plural forms."""
    return bool(message.string) and all([message.string] if isinstance(message.string, str) else message.string or [""])


def main() -> None:
    """Write the catalogues, and name the texts that need a translation."""
    for language in get_args(Language):
        path = Path(catalogue_file(language))
        path.write_text(updated(language), encoding="utf-8")
        for message in read_catalogue(language):
            if message.id and not is_translated(message):
                print(f"{path}: not translated: {message.id!r}")


if __name__ == "__main__":
    main()
