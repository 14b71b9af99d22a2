"""A name is found however it is written, and nothing but the name."""

from __future__ import annotations

import json
import unicodedata

import pytest

from amkpi.core.erasure.replacement import Replacement, shared, written

NAME, MAIL, WHO = 'Lê "Bé" An', "an@agency.example", "Erased person NV1"
REPLACEMENT = Replacement("NV1", WHO, (NAME, "Đỗ Văn Minh", MAIL), ("Vinaco",), ("Lan Hương",), ("Đỗ Văn Minh Anh",))


@pytest.mark.parametrize(
    "text",
    [
        "Đỗ Văn Minh", "đỗ văn minh", "ĐỖ VĂN MINH", "(Đỗ Văn Minh).", unicodedata.normalize("NFD", "Đỗ Văn Minh"),
        json.dumps("Đỗ Văn Minh"), NAME, json.dumps(NAME), NAME.replace('"', '""'), NAME.replace('"', "&quot;"),
        f"<{MAIL}>", MAIL.upper(), "Đỗ Văn Minh Đỗ Văn Minh Anh Đỗ Văn Minh",
    ],
)  # fmt: skip
def test_a_name_is_found_in_every_form(text: str) -> None:
    found = REPLACEMENT.in_text(text)
    assert WHO in found
    assert not any(form.lower() in found.replace("Đỗ Văn Minh Anh", "").lower() for form in written("Đỗ Văn Minh"))
    assert MAIL not in found.lower()
    assert "Bé" not in found


@pytest.mark.parametrize(
    "text",
    ["Đỗ Văn Minhh", "xĐỗ Văn Minh", "lan@agency.example", "tran.an@agency.example", "Đỗ Văn Minh Anh", "Vinaco",
     "Lan Hương", "An", ""],
)  # fmt: skip
def test_another_name_stays(text: str) -> None:
    assert REPLACEMENT.in_text(text) == text


def test_a_word_is_replaced_as_a_whole_cell_and_what_others_have_too_in_own_rows_alone() -> None:
    assert REPLACEMENT.in_cell(" vinaco", is_own_row=False) == WHO
    assert REPLACEMENT.in_cell("Vinaco Hà Nội", is_own_row=True) == "Vinaco Hà Nội"
    assert REPLACEMENT.in_cell("Lan Hương", is_own_row=True) == WHO
    assert REPLACEMENT.in_cell("Lan Hương", is_own_row=False) == "Lan Hương"


def test_an_id_stays_though_it_is_the_name() -> None:
    assert Replacement("Sông Hồng", WHO, ("Sông Hồng",)).in_cell("Sông Hồng", is_own_row=True) == "Sông Hồng"


def test_names_of_others_are_the_same_or_longer() -> None:
    same, longer = shared(["Lan Hương", "Đỗ Văn Minh"], ["lan  hương", "Đỗ Văn Minh Anh", "Lan Hươngg", "Minh"])
    assert (same, longer) == ({"Lan Hương"}, {"Đỗ Văn Minh Anh"})
