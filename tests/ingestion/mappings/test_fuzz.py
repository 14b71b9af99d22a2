"""Mapping files that nobody chose, on files that nobody chose: one clear refusal or rows, and no native row lost.

A short profile in every run; 10,000 mappings with `make fuzz`.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amkpi.core.settings import Settings
from amkpi.ingestion import loader
from amkpi.ingestion.contracts.extracts import EXTRACTS, Extract
from amkpi.ingestion.contracts.native_line import LINES
from amkpi.ingestion.delivery_log import Delivery
from amkpi.ingestion.loader import load
from amkpi.ingestion.mappings import expressions
from amkpi.ingestion.mappings.expressions import ExpressionError
from amkpi.ingestion.mappings.files import MappingError, load_mappings, read_mappings
from amkpi.ingestion.mappings.model import Mapping
from amkpi.ingestion.readers import Unreadable, examine
from amkpi.ingestion.readers.characters import clean_text
from amkpi.ingestion.tables import create_tables
from amkpi.ingestion.writer import open_rows, write_rows
from tests.conftest import Agency
from tests.ingestion.readers.test_fuzz import PROFILES, examples

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")

MOMENT = datetime(2026, 10, 18, 1, 0, tzinfo=UTC)
CANARY = "canary-7f3a"
HEADER = ("Id", "Tên khách hàng", "Amount (₫)", "Ngày ký", "STATUS", 'a "b"', "x.y", "select")
# What other people's files hold, and what hurts: far more often than chance would have it.
CELLS = st.sampled_from(
    [
        *("", " ", "C1", "C2", "Trà", "Tra\u0300\0x", "\0", "2026-01-31", "31/01/2026", "31/02/2026", "1/2/26"),
        *("46000", "open"),
        *("1.234.567,89", "1,234.5", "-3", "1e400", "NaN", "12 000", "VND", "usd", "new_business", "Closed Won"),
        *("true", "0", "'; drop table raw.clients; --", '"', "=1+1", "a\nb", "a\r\nb", "\u00a0x\u3000", "9" * 40, "%d"),
        *("2026-01-31T10:00:00+07:00", "😀", "0202-01-01", "99999-01-01", "2026-01-31 25:61"),
    ]
)
NATIVE = st.sampled_from([*HEADER, "id", "ID ", "ten khach hang", "Status", "none of them", "", "\0"])
FORMATS = st.sampled_from(
    ["dd/MM/yyyy", "d/M/yy", "yyyy-MM-dd", "MM/dd/yyyy hh:mm:ss a", "%d/%m/%Y", "%Y-%m-%dT%H:%M:%S%z", "DD/MM/YYYY",
     "iso", "excel", "epoch", "epoch_ms", "d/M/yyyy h:mm:ss a", "yyyy-MM-dd'T'HH:mm:ssXXX", "'", "%", "((((", "d" * 30,
     "yyyyMMdd", ""]
)  # fmt: skip
TARGETS = st.sampled_from(["new_business", "won", "open", "VND", "1", "true", "2026-01-31", "", "other", "otherwise"])


def sql_texts() -> st.SearchStrategy[str]:
    """Expressions: most of what is allowed, and what must never be."""
    columns = st.sampled_from([*HEADER, "id", "nothing"]).map(lambda name: '"' + name.replace('"', '""') + '"')
    plain = columns | st.sampled_from(["1", "0", "-1.5", "null", "true", "'x'", "''", "date '2026-01-31'", "1e308"])
    hostile = st.sampled_from(
        [
            *("(select 1)", "read_text('{canary}')", "(select content from read_text('{canary}'))", "glob('/*')"),
            *("getenv('CANARY')", "current_user", "now()", "random()", "count(*)", "row_number() over ()", "*"),
            *("getvariable('x')", "1; select 2", "1) as v; drop table native; --", "/*", "--", "'", "a.b.c"),
            *(
                "repeat('x', 1000000000)",
                "[1, 2]",
                "[{'a': 1}]",
                "nextval('s')",
                "error('x')",
                "lambda x: x",
                "\0",
                "é(",
            ),
            *("main.lower('X')", "system.main.read_text('{canary}')", "(from '{canary}')", "try(1/0)", "$1", "?"),
        ]
    )

    def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        pair = st.tuples(inner, inner)
        operators = st.sampled_from(["+", "-", "*", "/", "//", "%", "||", "=", "<", "and", "or", "like", "<<", "^"])
        types = st.sampled_from(["date", "integer", "decimal(18, 2)", "varchar", "timestamp", "double", "blob"])
        names = st.sampled_from(
            ["lower", "trim", "coalesce", "nullif", "concat", "left", "strptime", "regexp_replace", "date_trunc",
             "json_extract_string", "to_days", "power", "strip_accents", "nfc_normalize", "make_date", "md5", "round"]
        )  # fmt: skip
        return st.one_of(
            st.tuples(pair, operators).map(lambda t: f"({t[0][0]} {t[1]} {t[0][1]})"),
            st.tuples(inner, types).map(lambda t: f"cast({t[0]} as {t[1]})"),
            st.tuples(inner, types).map(lambda t: f"try_cast({t[0]} as {t[1]})"),
            st.tuples(names, st.lists(inner, max_size=3)).map(lambda t: f"{t[0]}({', '.join(t[1])})"),
            st.tuples(inner, inner, inner).map(lambda t: f"case when {t[0]} then {t[1]} else {t[2]} end"),
            inner.map(lambda text: f"{text} is null"),
        )

    return st.recursive(plain | plain | plain | hostile, larger, max_leaves=5)


SQL = sql_texts()
CONDITIONS = SQL | st.sampled_from(
    ["\"STATUS\" <> 'open'", '"Id" is not null', 'cast("Amount (₫)" as integer) > 0', 'length("Id") < 3', "1"]
)
CONVERSIONS = st.fixed_dictionaries(
    {},
    optional={
        "values": st.dictionaries(CELLS | st.just("otherwise"), TARGETS, max_size=3),
        "date_format": FORMATS | st.lists(FORMATS, max_size=3),
        "number": st.sampled_from(["vi", "en", "ch", "plain", "de"]),
        "lookup": st.fixed_dictionaries(
            {
                "extract": st.sampled_from(["clients", "staff", "nobody"]),
                "by": st.sampled_from(["client_name", "email", "full_name", "x"]),
            }
        ),
        "decimal": st.sampled_from([",", ".", ";"]),
        "thousands": st.sampled_from([".", ",", " ", "'", "_", "x"]),
        "scale": st.sampled_from(["1000", "0.01", "0", "-1", "1e30", "NaN", "x", "1" * 50]),
    },
)
MADE = ("Who", "T", "M")
# Keys about the whole file: often right, sometimes not.
WHOLE = st.fixed_dictionaries(
    {},
    optional={
        "sheet": st.sampled_from(["1", "Chi tiết"]),
        "header": st.sampled_from(
            ["1", "2", "9", {"contains": ["Id", "STATUS"]}, {"row": "1", "height": "2"}, {"row": "x"}]
        ),
        "skip_after_header": st.sampled_from(["0", "1", "3", "-1"]),
        "stop_at": st.sampled_from(
            ["empty_row", {"column": "Id", "matches": "^C2"}, {"column": "STATUS", "matches": "("}, {"column": "x"}]
        ),
        "records": st.just("a.b"),
        "fill_down": st.lists(st.sampled_from([*HEADER, "none of them"]), max_size=2),
        "unpivot": st.sampled_from(
            [
                {"name": "Who", "rows": {"a": {"T": "Id", "M": "x.y"}, "b": {"T": "STATUS", "M": "select"}}},
                {"name": "Who", "value": "T", "columns": ["Id", "x.y"]},
                {"name": "Who", "columns": ["Id"]},
            ]
        ),
        "split": st.sampled_from([{"column": "x.y", "by": "/"}, {"column": "STATUS", "by": "e"}, {"column": "T"}]),
        "duplicates": st.sampled_from(["last", "refuse", "sum(amount)", "sum(x)"]),
        "time_zone": st.sampled_from(["local", "as_written", "UTC"]),
        "written_in": st.sampled_from(["UTC", "Asia/Tokyo", "x"]),
    },
)
RULES: st.SearchStrategy[Any] = st.one_of(
    NATIVE,
    st.sampled_from(HEADER),
    st.tuples(NATIVE, CONVERSIONS).map(lambda t: {"column": t[0], **t[1]}),
    st.tuples(CELLS | TARGETS, CONVERSIONS).map(lambda t: {"constant": t[0], **(t[1] if len(t[1]) > 2 else {})}),
    st.tuples(SQL, CONVERSIONS).map(lambda t: {"sql": t[0], **(t[1] if len(t[1]) > 2 else {})}),
    SQL.map(lambda text: {"sql": text}),
    st.lists(NATIVE, min_size=1, max_size=3).map(lambda names: {"id_from": names}),
    st.sampled_from(MADE),
)
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | CELLS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


def fitting(extract: Extract, name: str) -> st.SearchStrategy[Any]:
    """Rules that suit the column, so that many a mapping is accepted."""
    column = extract.column(name)
    native = st.sampled_from(HEADER)
    written = native.map(lambda title: '"' + title.replace('"', '""') + '"')
    if column.type in ("date", "timestamp"):
        return st.one_of(
            st.tuples(native, st.sampled_from(["dd/MM/yyyy", "%d/%m/%Y", "d/M/yy", ["d/M/yyyy", "excel"]])).map(
                lambda t: {"column": t[0], "date_format": t[1]}
            ),
            native,
            written.map(lambda text: {"sql": f"cast({text} as date)"}),
            st.just({"constant": "2026-01-31"}),
        )
    if column.type == "number":
        return st.one_of(
            native.map(lambda title: {"column": title, "decimal": ",", "thousands": ".", "scale": "1000"}),
            native,
            native.map(lambda title: {"column": title, "number": "vi"}),
            written.map(lambda text: {"sql": f"try_cast({text} as decimal(18, 2)) * 2"}),
        )
    if column.type == "boolean":
        return native | st.sampled_from(["true", "0"]).map(lambda text: {"constant": text})
    if column.choices or column.currency:
        known = list(column.choices) or ["VND", "USD"]
        return st.one_of(
            st.sampled_from(known).map(lambda text: {"constant": text}),
            st.tuples(native, CELLS.filter(str.strip), st.sampled_from(known)).map(
                lambda t: {"column": t[0], "values": {t[1]: t[2], "otherwise": t[2]}}
            ),
        )
    return st.one_of(
        native,
        st.lists(native, min_size=1, max_size=2, unique=True).map(lambda names: {"id_from": names}),
        native.map(lambda title: {"column": title, "lookup": {"extract": "clients", "by": "client_name"}}),
        written.map(lambda text: {"sql": f"coalesce({text}, 'none') || '-1'"}),
        st.tuples(written, written).map(lambda t: {"sql": f"lower({t[0]} || left({t[1]}, 2))"}),
    )


@st.composite
def mapping_texts(draw: st.DrawFn) -> str:
    """The text of a mapping file: often right, often nearly, sometimes rubbish."""
    extract = EXTRACTS[draw(st.sampled_from(sorted(EXTRACTS)))]
    care = draw(st.sampled_from(["right", "right", "right", "loose", "loose", "rubbish"]))
    columns: dict[str, Any] = {}
    for column in extract.all_columns:
        if column.required or draw(st.integers(0, 3)) == 0:
            wild = care != "right" and draw(st.integers(0, 3)) == 0
            columns[column.name] = draw(RULES if wild else fitting(extract, column.name))
    data: dict[str, Any] = {"file": "*export*.csv", "extract": extract.name, "columns": columns}
    if draw(st.integers(0, 2)) == 0:
        data["where"] = draw(CONDITIONS | st.lists(CONDITIONS, max_size=2))
    if draw(st.integers(0, 3)) == 0:
        data["snapshot"] = draw(st.sampled_from(["true", "false", "1"])) if care == "right" else draw(JUNK)
    if draw(st.integers(0, 2)) == 0:
        whole = draw(WHOLE)
        # A few at once: with all of them, hardly a mapping is accepted.
        data.update(dict(list(whole.items())[: draw(st.integers(1, 3))]))
    else:
        data["duplicates"] = "last"
    if care == "rubbish":
        data[draw(st.sampled_from(["file", "extract", "columns", "where", "snapshot", "name", "other"]))] = draw(JUNK)
    # JSON is YAML, but for what YAML refuses in a text.
    text = json.dumps(data, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 1])))
    if care == "rubbish":
        pieces = st.sampled_from(["", "\n", "\t", "&a ", "*a", "!!python/object:os.system ", "{", "]", ": ", "\0", "é"])
        for _ in range(draw(st.integers(0, 3))):
            place = draw(st.integers(0, len(text)))
            text = text[:place] + draw(pieces) + text[place + draw(st.integers(0, 4)) :]
    return text


# One wrong mapping refuses the file, so mostly one alone: else hardly a file is loaded.
_ONE_TEXT = mapping_texts().map(lambda text: [text])
SOME_TEXTS = _ONE_TEXT | _ONE_TEXT | _ONE_TEXT | st.lists(mapping_texts(), min_size=2, max_size=3)
ROW = st.lists(CELLS, min_size=len(HEADER), max_size=len(HEADER))
FILES = st.tuples(
    # A title may be there twice, in other spellings, or not at all.
    st.sampled_from([[], [], [], [" id"], ["STATUS ", ""], ["\0"]]).map(lambda more: [*HEADER, *more]),
    # Each length as often as any other: left to itself, hypothesis rarely makes a long one.
    st.integers(0, 12).flatmap(
        lambda count: st.lists(
            ROW | ROW | ROW | st.lists(CELLS, min_size=1, max_size=11), min_size=count, max_size=count
        )
    ),
    st.sampled_from([",", ";", "\t"]),
)


def write_export(path: Path, header: list[str], rows: list[list[str]], delimiter: str) -> list[int]:
    """Write the file; returns the line on which each row begins."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    writer.writerow(header)
    lines = []
    for row in rows:
        # As csv counts lines: \r\n is one end, and so is \r alone.
        lines.append(len(list(io.StringIO(out.getvalue(), newline=""))) + 1)
        writer.writerow(row)
    path.write_text(out.getvalue(), encoding="utf-8", newline="")
    return lines


def share_what_takes_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    """One database in which expressions are checked, and tables that are created once: half of the time of a load."""
    databases = ExitStack()
    shared = databases.enter_context(expressions.sandbox())

    @contextmanager
    def sandbox() -> Iterator[duckdb.DuckDBPyConnection]:
        nonlocal shared
        try:
            yield shared
        except ExpressionError as error:
            if isinstance(error.__cause__, duckdb.InternalException | duckdb.FatalException):
                shared = databases.enter_context(real())
            raise

    real = expressions.sandbox
    monkeypatch.setattr(expressions, "sandbox", sandbox)
    monkeypatch.setattr(loader, "create_tables", lambda connection: None)


@contextmanager
def canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file and a variable that no mapping may come to, in a folder that must stay as it is."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "canary.csv").write_text(f"a\n{CANARY}\n")
    monkeypatch.setenv("CANARY", CANARY)
    before = outside.stat().st_mtime_ns
    yield outside / "canary.csv"
    assert [path.name for path in outside.iterdir()] == ["canary.csv"]
    assert outside.stat().st_mtime_ns == before


def read_mapping(sources: Path, text: str) -> Mapping | None:
    """The mapping, or None where it is refused in one line that names the file."""
    path = sources / "m.yml"
    path.write_text(text, encoding="utf-8", newline="")
    try:
        (mapping,) = load_mappings(sources, None, ZONE)
        return mapping
    except MappingError as error:
        message = str(error)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    assert CANARY not in message
    return None


@pytest.mark.slow
@pytest.mark.parametrize("number", PROFILES)
def test_any_mapping_is_refused_in_one_line_or_gives_a_row_for_each_native_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    sources = tmp_path / "sources"
    sources.mkdir()
    counted: Counter[str] = Counter()
    connection = duckdb.connect()
    create_tables(connection)
    with canary(tmp_path, monkeypatch) as secret:

        @examples(number)
        @given(mapping_texts(), FILES)
        def check(text: str, file: tuple[list[str], list[list[str]], str]) -> None:
            mapping = read_mapping(sources, text.replace("{canary}", str(secret)))
            if mapping is None:
                counted["refused"] += 1
                return
            lines = write_export(tmp_path / "export.csv", *file)
            connection.begin()
            try:
                counted[_take(connection, mapping, tmp_path / "export.csv", file, lines)] += 1
            finally:
                connection.rollback()

        check()
    assert counted["loaded"] > number / 6, counted
    assert counted["refused"] > number / 10, counted
    assert counted["rejected"] > number / 100, counted


def _take(
    connection: duckdb.DuckDBPyConnection,
    mapping: Mapping,
    path: Path,
    file: tuple[list[str], list[list[str]], str],
    lines: list[int],
) -> str:
    """Insert what the mapping makes of the file, and hold it against the native rows."""
    delivery = Delivery(1, 1, path.name, mapping.extract, mapping.name, "0" * 64, 1, "loaded", None, 0, MOMENT)
    try:
        rows = open_rows(path, examine(path), mapping.target, mapping)
        count = write_rows(connection, mapping.target, rows, delivery)
        message = ""
    except Unreadable as error:
        message = str(error) or "a refusal without words"
    if message:
        assert message != "a refusal without words"
        assert CANARY not in message
        return "rejected"
    # Where nearly all rows end with a delimiter, although the header does not, that is no column.
    fields = len(file[0]) + any("that is no column" in note for note in rows.tally.notes)
    whole = [line for line, row in zip(lines, file[1], strict=True) if len(row) == fields]
    found = connection.execute(
        f"select raw._line, raw._malformed, raw._row, parsed._reason, raw::varchar from raw.{mapping.extract} as raw"
        f" full join parsed.{mapping.extract} as parsed"
        " on raw._delivery = parsed._delivery and raw._line = parsed._line"
        " order by raw._line"
    ).fetchall()
    assert len(found) == count
    assert CANARY not in str(found)
    given_out = [line for line, *_ in found]
    assert sorted(set(given_out)) == given_out, "a native row twice"
    assert {line % LINES for line in given_out} <= set(lines)
    if mapping.header is not None or mapping.unpivot is not None or mapping.split is not None:
        return "loaded"
    skipped = rows.tally
    assert count + skipped.skipped == len(lines), "a native row is lost"
    if skipped.above or skipped.footer or mapping.fill_down:
        return "loaded"
    # A filter is asked about whole rows alone: every malformed one is there, and without a filter every row.
    assert set(lines) - set(whole) <= set(given_out)
    assert mapping.where or given_out == lines
    for line, malformed, row, reason, _ in found:
        assert malformed == (line not in whole) == (reason == "malformed_row")
        native = json.loads(row)
        # As it came, but for invisible characters, which the ledger counts.
        came = [clean_text(cell) for cell in file[1][lines.index(line)]]
        if fields > len(file[0]) and line in whole:
            came.pop()
        kept = [clean_text(cell) for cell in (native.values() if isinstance(native, dict) else native)]
        assert kept == came, "the native row as it came"
    return "loaded"


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(40, id="short", marks=pytest.mark.slow),
        pytest.param(10_000, id="long", marks=[pytest.mark.slow, pytest.mark.long]),
    ],
)
def test_any_mapping_through_the_whole_load_leaves_ledger_and_files_exact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    agency = Agency.at(tmp_path / "home")
    settings: Settings = agency.run.settings
    nothing = tmp_path / "nothing"
    share_what_takes_longest(monkeypatch)
    agency.home.sources.mkdir()
    counted: Counter[str] = Counter()
    with canary(tmp_path, monkeypatch) as secret, agency.warehouse() as connection:
        create_tables(connection)

        @examples(number)
        @given(SOME_TEXTS, FILES)
        def check(texts: list[str], file: tuple[list[str], list[list[str]], str]) -> None:
            for path in agency.home.sources.iterdir():
                path.unlink()
            for place, text in enumerate(texts):
                (agency.home.sources / f"m{place}.yml").write_text(text.replace("{canary}", str(secret)), "utf-8")
            export = agency.home.landing / "an-export.csv"
            lines = write_export(export, *file)
            mappings = read_mappings(nothing, agency.home.sources, ZONE)
            report = load(connection, agency.home, settings, lambda: MOMENT, nothing)
            takers = mappings.taking("an-export.csv")
            assert not export.exists()
            if mappings.refusal("an-export.csv"):
                # A part of several snapshots is rejected in each of them.
                assert len(report.deliveries) == max(1, sum(mapping.snapshot for mapping in takers))
                assert {delivery.status for delivery in report.deliveries} == {"rejected"}
                counted["refused"] += 1
                return
            assert len(report.deliveries) == max(1, len(takers))
            for delivery in report.deliveries:
                counted[delivery.status] += 1
                assert delivery.reason is None or "\n" not in delivery.reason
                assert delivery.rows_read == _rows_of(connection, delivery)
                assert delivery.status == "loaded" or delivery.rows_read == 0
                by = next((mapping for mapping in takers if mapping.name == delivery.source), None)
                if by and delivery.status == "loaded" and not (by.header or by.unpivot or by.split):
                    skipped = (
                        delivery.rows_skipped_above + delivery.rows_skipped_footer + delivery.rows_skipped_filtered
                    )
                    assert delivery.rows_read + skipped == len(lines), "a native row is lost"
                assert CANARY not in str(replace(delivery))

        check()
    assert counted["loaded"] > number / 15, counted


def _rows_of(connection: duckdb.DuckDBPyConnection, delivery: Delivery) -> int:
    """The delivery's rows in raw, each of them with a verdict; what a snapshot lacks counts as none."""
    if delivery.extract is None:
        return 0
    counts = connection.execute(
        f"select (select count(*) from raw.{delivery.extract} where _delivery = $delivery),"
        f" (select count(*) from parsed.{delivery.extract} where _delivery = $delivery and _line > 0)",
        {"delivery": delivery.delivery},
    ).fetchall()[0]
    assert counts[0] == counts[1]
    return int(counts[0])
