"""Characters that nobody sees, and text from before Unicode."""

from __future__ import annotations

from pathlib import Path

import pytest

from amkpi.ingestion.readers import CANONICAL
from amkpi.ingestion.readers.characters import clean_text, old_encoding
from tests.ingestion.readers.test_layouts import opened, refusal, sheet
from tests.ingestion.readers.test_readers import decomposed_1258, listed

MARKS = "\u200b\u200e\u200f\u2060\ufeff\u00ad\u202a\u2069"


@pytest.mark.parametrize("mark", MARKS)
def test_marks_that_show_nothing_are_dropped_from_a_native_file_and_counted(tmp_path: Path, mark: str) -> None:
    text = f"id,name\nKH{mark}001{mark},Đã\u00a0ký \nKH002,“Cô–ng”\n"
    rows = opened(tmp_path, "a.csv", text)
    assert listed(rows) == [(2, ["KH001", "Đã ký "]), (3, ["KH002", "“Cô–ng”"])]
    assert rows.tally.cleaned == 2
    canonical = opened(tmp_path, "a.csv", text, CANONICAL)
    assert listed(canonical)[0][1][0] == f"KH{mark}001{mark}"


def test_a_cell_that_was_cleaned_is_not_taken_for_tidy(tmp_path: Path) -> None:
    (batch,) = opened(tmp_path, "a.csv", "id,name\nKH001 \u200b,x\n").batches
    assert batch.column("c0").to_pylist() == ["KH001 "]
    assert batch.schema.metadata is None


def test_workbooks_and_json_are_cleaned_too(tmp_path: Path) -> None:
    for name, content in (("a.xlsx", sheet(["id"], ["1\u200b"])), ("a.ndjson", '{"id": "1\u200b"}')):
        rows = opened(tmp_path, name, content)
        assert [fields for _, fields in listed(rows)] == [["1"]]
        assert rows.tally.cleaned == 1


@pytest.mark.parametrize("text", ["👨\u200d👩\u200d👧", "می\u200cخواهم", "क्\u200dष"])
def test_joiners_with_a_meaning_stay(text: str) -> None:
    assert clean_text(text) == text
    assert clean_text(f"\u200dKH\u200c001{text}\u200d") == f"KH001{text}"


TCVN3 = "C«ng ty Cæ phÇn S÷a B×nh Minh"
VNI = "Coâng ty Coå phaàn Söõa Bình Minh"


@pytest.mark.parametrize(("text", "name"), [(TCVN3, "TCVN3"), ("®Êu thÇu, nh·n hµng, n¨m, s¬n", "TCVN3"), (VNI, "VNI")])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_text_from_before_unicode_is_refused_with_the_remedy(
    tmp_path: Path, text: str, name: str, encoding: str
) -> None:
    message = refusal(tmp_path, "a.csv", f'id,name\n1,"{text}"\n'.encode(encoding), CANONICAL)
    assert name in message
    assert "UniKey" in message


@pytest.mark.parametrize("text", [TCVN3, VNI])
def test_a_workbook_with_text_from_before_unicode_is_refused(tmp_path: Path, text: str) -> None:
    assert "UniKey" in refusal(tmp_path, "a.xlsx", sheet(["id", "name"], [1, text]))


VIETNAMESE = (
    "Công ty Cổ phần Sữa Bình Minh, Nguyễn Thị Hoà, khoá học, tuần thứ ba, thuở ấy, Huế, đường Điện Biên Phủ, ưu đãi,"
    " CÔNG TY TNHH MỘT THÀNH VIÊN ƯỚC MƠ, quảng cáo «Tết», 300×250, 5 m², ½ giá, Bia® Sài Gòn, 10 µm"
)


@pytest.mark.parametrize(
    "text",
    [
        VIETNAMESE,
        decomposed_1258(VIETNAMESE),
        "Loïc, Anaïs, Noël, où, août, coût, goût, Moïse, Haïti, «mot», l'«École», naïf, jeûne, eût, inouï",
        "Größe, Müller, Straße, Lego®s, Coca-Cola®zero, Kit­Kat, Kit­Kat, a×b, N×M, x÷y",
        "col·legi, il·lusió, paral·lel, 1ª, 2º, año, ¿qué?, coração, pão, maçãs, Sào Paulo, João",
        "toårig, toøret, treøret, blåbærgrød, på, smør, Åse, pehmeä, lisää, työ, yö, hääyö",
        "CÃ´ng ty Cá»• pháº§n Sá»¯a BÃ¬nh Minh, Nguyá»…n, Viá»‡t Nam",
        "Łódź, Źdźbło, žluťoučký kůň, Їжак, 株式会社, 주식회사",
    ],
)
def test_good_text_is_never_taken_for_an_old_encoding(text: str) -> None:
    assert old_encoding(text) is None
    assert old_encoding(text.upper()) is None
    for encoding in ("cp1258", "cp1252"):
        try:
            content = text.encode(encoding)
        except UnicodeEncodeError:
            continue
        assert old_encoding(content.decode("cp1258", "replace")) is None
