"""Delimited text: what a file's bytes are read as, row by row, with the physical line of each."""

from __future__ import annotations

import codecs
import unicodedata
from pathlib import Path

import pytest

from amkpi.ingestion.readers import MAX_FIELD_CHARS, TextRows, Unreadable, examine, loose, read_csv

KNOWN = frozenset({"clientid", "clientname", "industry"})


def opened(tmp_path: Path, content: bytes | str, known: frozenset[str] = KNOWN) -> TextRows:
    path = tmp_path / "a.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_csv(path, examine(path).encoding, known)


def listed(rows: TextRows) -> list[tuple[int, list[str | None] | str]]:
    """(line, fields) of each row; of a malformed one, what it was."""
    found: list[tuple[int, list[str | None] | str]] = []
    for batch in rows.batches:
        for row in batch.to_pylist():
            fields = [row[f"c{i}"] for i in range(len(rows.header))]
            if row["_malformed"]:
                assert fields == [None] * len(rows.header)
                found.append((row["_line"], row["_row"]))
            else:
                assert row["_row"] is None
                found.append((row["_line"], fields))
    return found


def read(tmp_path: Path, content: bytes | str) -> list[tuple[int, list[str | None] | str]]:
    return listed(opened(tmp_path, content))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_from_the_header(tmp_path: Path, delimiter: str) -> None:
    rows = opened(tmp_path, f"client_id{delimiter}client_name\nC1{delimiter}a, b; c\n".replace(", b; c", " b"))
    assert rows.header == ("client_id", "client_name")
    assert listed(rows) == [(2, ["C1", "a b"])]


def test_delimiters_within_quotes_of_the_header_do_not_mislead(tmp_path: Path) -> None:
    rows = opened(tmp_path, '"a;b;c;d",client_id,"x|y",client_name\n1,C1,2,One\n')
    assert rows.header == ("a;b;c;d", "client_id", "x|y", "client_name")


def test_more_semicolons_than_commas_do_not_beat_the_names_that_are_known(tmp_path: Path) -> None:
    assert opened(tmp_path, "a;b;c;d,client_id,client_name\n").header == ("a;b;c;d", "client_id", "client_name")


@pytest.mark.parametrize(("first", "delimiter"), [("sep=;", ";"), ('"SEP=|"', "|"), ("sep=\t", "\t"), ("sep=,", ",")])
def test_excels_line_that_names_the_delimiter_is_no_title(tmp_path: Path, first: str, delimiter: str) -> None:
    # A header that alone would look as if it had another delimiter.
    header = delimiter.join(["client_id", '"client_name,a;b;c|d"'])
    rows = opened(tmp_path, f"\ufeff{first}\r\n\r\n{header}\r\nC1{delimiter}One\r\n")
    assert rows.header == ("client_id", "client_name,a;b;c|d")
    assert listed(rows) == [(4, ["C1", "One"])]
    assert opened(tmp_path, f"{first}\n").header == ()


def test_marks_that_show_nothing_do_not_hide_a_column() -> None:
    assert loose("\ufeffclient_id\u200b") == loose("Client ID") == "clientid"


def test_a_header_may_hold_a_quoted_newline(tmp_path: Path) -> None:
    rows = opened(tmp_path, 'client_id;"two\nlines";client_name\nC1;x;One\n')
    assert rows.header == ("client_id", "two\nlines", "client_name")
    assert listed(rows) == [(3, ["C1", "x", "One"])]


@pytest.mark.parametrize("name", ["Client ID", " client-id ", "CLIENT_ID", "clientId", "client\u00a0id"])
def test_names_match_loosely(name: str) -> None:
    assert loose(name) == "clientid"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_unicode_is_read_with_and_without_its_mark(tmp_path: Path, encoding: str) -> None:
    mark = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}.get(encoding, b"")
    content = mark + "client_id,client_name\nC1,Nguyễn Văn Á\nC2,😀\n".encode(encoding)
    rows = opened(tmp_path, content)
    assert rows.header == ("client_id", "client_name")
    assert listed(rows) == [(2, ["C1", "Nguyễn Văn Á"]), (3, ["C2", "😀"])]


def test_what_is_not_utf8_is_windows_1258(tmp_path: Path) -> None:
    # windows-1258 writes ễ as ê and a combining tilde.
    composed = "Nguyễn Thị Ấn, Đà Nẵng"
    content = f'client_id,client_name\nC1,"{decomposed_1258(composed)}"\n'.encode("cp1258")
    with pytest.raises(UnicodeDecodeError):
        content.decode("utf-8")
    ((_, fields),) = read(tmp_path, content)
    assert unicodedata.normalize("NFC", fields[1] or "") == composed


def decomposed_1258(text: str) -> str:
    """The text in the letters that windows-1258 has: base letters, tone marks apart."""
    out = []
    for ch in unicodedata.normalize("NFC", text):
        try:
            ch.encode("cp1258")
            out.append(ch)
        except UnicodeEncodeError:
            parts = unicodedata.normalize("NFD", ch)
            tone = [p for p in parts if p in "\u0300\u0301\u0303\u0309\u0323"]
            rest = unicodedata.normalize("NFC", "".join(p for p in parts if p not in tone))
            out.append(rest + "".join(tone))
    return "".join(out)


@pytest.mark.slow
def test_a_byte_that_is_not_utf8_far_down_makes_the_whole_file_windows_1258(tmp_path: Path) -> None:
    rows = read(tmp_path, b"client_id,client_name\n" + b"C1,x\n" * 400_000 + b"C2,\xd0\xe0\n")
    assert rows[-1] == (400_002, ["C2", "Đà"])


def test_a_letter_cut_by_the_end_of_a_block_is_still_utf8(tmp_path: Path) -> None:
    head = "client_id,client_name\nC1,"
    text = head + "x" * ((1 << 20) - len(head) - 1) + "ễ\n"
    assert read(tmp_path, text)[0][1][1].endswith("xễ")  # type: ignore[union-attr]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_lines_are_physical_whatever_ends_them(tmp_path: Path, newline: str) -> None:
    text = 'client_id,client_name\nC1,"a\nb\n\nc"\n\nC2,x\n"C3","y\n"\nC4,z'.replace("\n", newline)
    assert read(tmp_path, text) == [
        (2, ["C1", f"a{newline}b{newline}{newline}c"]),
        (7, ["C2", "x"]),
        (8, ["C3", f"y{newline}"]),
        (10, ["C4", "z"]),
    ]


def test_lines_before_the_header_count(tmp_path: Path) -> None:
    assert read(tmp_path, "\n\r\nclient_id,client_name\nC1,x\n") == [(4, ["C1", "x"])]


def test_rows_with_more_or_fewer_fields_are_kept_as_they_came(tmp_path: Path) -> None:
    assert read(tmp_path, 'client_id,client_name\nC1\nC2,x,"y ""z"""\n,\nC3,x\n   \n') == [
        (2, '["C1"]'),
        (3, '["C2", "x", "y \\"z\\""]'),
        (4, ["", ""]),
        (5, ["C3", "x"]),
        (6, '["   "]'),
    ]


def test_a_quote_within_a_field_is_a_letter(tmp_path: Path) -> None:
    assert read(tmp_path, 'client_id,client_name\nC1,5" pipe\nC2, "x"\n') == [
        (2, ["C1", '5" pipe']),
        (3, ["C2", ' "x"']),
    ]


def test_a_quote_that_never_closes_makes_the_file_unreadable(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="line 3"):
        read(tmp_path, 'client_id,client_name\nC1,x\nC2,"never\nC3,y\n')


def test_text_behind_a_closing_quote_makes_the_file_unreadable(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="line 3"):
        read(tmp_path, 'client_id,client_name\nC1,x\nC2,"a"b\nC3,y\n')


@pytest.mark.parametrize("content", ["", "\ufeff", "\n", "\r\n\r\n"])
def test_an_empty_file_has_no_header_and_no_rows(tmp_path: Path, content: str) -> None:
    rows = opened(tmp_path, content)
    assert rows.header == ()
    assert list(rows.batches) == []


@pytest.mark.parametrize(
    "content", ["client_id,client_name", "client_id,client_name\n", "client_id,client_name\r\n\r\n"]
)
def test_a_header_alone_has_no_rows(tmp_path: Path, content: str) -> None:
    rows = opened(tmp_path, content)
    assert rows.header == ("client_id", "client_name")
    assert list(rows.batches) == []


def test_a_field_beyond_any_comment_makes_the_file_unreadable(tmp_path: Path) -> None:
    big = "x" * 200_000
    assert read(tmp_path, f"client_id,client_name\nC1,{big}\n") == [(2, ["C1", big])]
    with pytest.raises(Unreadable):
        read(tmp_path, "client_id,client_name\nC1," + "x" * (MAX_FIELD_CHARS + 1) + "\n")


def test_utf16_that_breaks_off_is_unreadable(tmp_path: Path) -> None:
    content = "client_id,client_name\nC1,x\n".encode("utf-16")[:-1]
    with pytest.raises(Unreadable):
        read(tmp_path, content)


def test_zero_bytes_are_kept(tmp_path: Path) -> None:
    assert read(tmp_path, "client_id,client_name\nC1,a\0b\n") == [(2, ["C1", "a\0b"])]
