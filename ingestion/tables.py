"""The raw and parsed tables of the warehouse, created from the declaration of the extracts.

`raw.<extract>` keeps every delivered row as text; no row is ever deleted from it. `_delivery` leads to the row's file,
hash and load time in `raw.ledger`. `parsed.<extract>` has one row for each raw row: its values with their types, the
first rule that it breaks of those that the row alone decides, and whether another row has superseded it. The rules that
need other rows (references, rates, which row of a key is valid) are in `amkpi.ingestion.validation.row_checks`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

import duckdb

from amkpi.core import terminal
from amkpi.core.storage.migrations import warehouse as warehouse_layout
from amkpi.core.storage.sql import literal
from amkpi.core.storage.transactions import transaction
from amkpi.ingestion.contracts.extracts import EXTRACTS, Column, Extract
from amkpi.ingestion.readers.record_batches import BAD_CELLS, WHITE_SPACE, loose
from amkpi.ingestion.validation import repeated_keys

# A pattern of RE2: a text that begins or ends with white space.
_AT_AN_END = "[" + "".join(f"\\x{{{ord(ch):x}}}" for ch in WHITE_SPACE) + "]"
_PADDED = f"\\A{_AT_AN_END}|{_AT_AN_END}\\z"

_DUCKDB_TYPES = {
    "text": "varchar",
    "date": "date",
    "number": "double",
    "boolean": "boolean",
    "timestamp": "timestamptz",
}

_TIMESTAMP = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?( ?(Z|[+-][0-9]{2}(:?[0-9]{2})?))?)?"
)
_COMMON_CURRENCIES = "'VND', 'USD', 'EUR'"
# Sums of money are exact decimals with 26 digits before the point; a single number this large is a broken export.
_TOO_LARGE = "1e18"


def duckdb_type(column: Column) -> str:
    """The DuckDB type of a parsed value."""
    return _DUCKDB_TYPES[column.type]


def create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Create what is missing of the schemas, the ledger, and the raw and parsed table of each extract.

    A table that lacks a declared column gets it (`_add_columns`).
    """
    if _has_everything(connection):
        return
    for schema in ("raw", "parsed", "validation", "valid"):
        connection.execute(f"create schema if not exists {schema}")
    if warehouse_layout.version(connection) is None:
        warehouse_layout.record_newest(connection)
    connection.execute(
        """
        create table if not exists raw.ledger (
            delivery bigint primary key, run bigint not null, file_name varchar not null, extract varchar,
            source varchar, sha256 varchar, bytes bigint, status varchar not null, reason varchar,
            rows_read bigint not null, loaded_at timestamptz not null, settled boolean not null,
            rows_skipped_above bigint default 0, rows_skipped_footer bigint default 0,
            rows_skipped_filtered bigint default 0, cells_cleaned bigint default 0, saved_zeros bigint default 0,
            rows_repeated bigint default 0, keys_undecided bigint default 0, rows_deleted bigint default 0,
            mapping_sha256 varchar, notes varchar
        )
        """
    )
    # The number column of a delivery whose rows with the same key are summed.
    connection.execute(
        "create table if not exists validation.dismissed (extract varchar not null, _delivery bigint not null,"
        " _line bigint not null)"
    )
    connection.execute("create table if not exists raw.sums (delivery bigint not null, column_name varchar not null)")
    for extract in EXTRACTS.values():
        as_text = ", ".join(f"{column.name} varchar" for column in extract.all_columns)
        connection.execute(
            f"""
            create table if not exists raw.{extract.name} (
                {as_text}, _extra varchar, _row varchar, _malformed boolean not null, _line bigint not null,
                _delivery bigint not null
            )
            """
        )
        parsed = ", ".join(f"{column.name} {duckdb_type(column)}" for column in extract.all_columns)
        connection.execute(
            f"""
            create table if not exists parsed.{extract.name} (
                {parsed}, _delivery bigint not null, _line bigint not null, _reason varchar, _column varchar,
                _from_future boolean not null, _superseded boolean not null
            )
            """
        )
    _add_missing_columns(connection)


def _has_everything(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether `create_tables` has nothing to do. Each step asks; one question takes 4 ms, and 35 statements 25 ms."""
    found = connection.execute(
        """
        select schema_name, table_name, column_name
        from duckdb_columns()
        where schema_name in ('raw', 'parsed', 'validation')
        union all
        select schema_name, null, null
        from duckdb_schemas()
        where database_name = current_database()
        """
    ).fetchall()
    wanted = {
        ("valid", None, None), ("raw", "ledger", "notes"), ("raw", "warehouse_layout", "version"),
        ("raw", "sums", "column_name"), ("validation", "dismissed", "_line"),
    }  # fmt: skip
    for extract in EXTRACTS.values():
        names = [column.name for column in extract.all_columns]
        wanted |= {("raw", extract.name, name) for name in (*names, "_delivery")}
        wanted |= {("parsed", extract.name, name) for name in (*names, "_superseded")}
    return wanted <= set(found)


def _add_missing_columns(connection: duckdb.DuckDBPyConnection) -> None:
    """Bring the tables of every extract to its declaration, if columns were added to it since they were created."""
    existing: dict[str, set[str]] = defaultdict(set)
    found = connection.execute("select table_name, column_name from duckdb_columns() where schema_name = 'raw'")
    for table, column in found.fetchall():
        existing[table].add(column)
    for extract in EXTRACTS.values():
        missing = [column for column in extract.all_columns if column.name not in existing[extract.name]]
        if missing:
            with transaction(connection):
                count = _add_columns(connection, extract, missing)
            names = ", ".join(column.name for column in missing)
            terminal.report(f"the extract {extract.name} has new columns ({names}): {count} rows were parsed again")


def _add_columns(connection: duckdb.DuckDBPyConnection, extract: Extract, columns: Sequence[Column]) -> int:
    """Add columns to the tables of an extract and parse its rows again; returns how many rows.

    Afterwards the tables are the same as after a rebuild: if a file had the column before it was declared, its values
    are in `_extra`.
    """
    name = extract.name
    for column in columns:
        connection.execute(f"alter table raw.{name} add column {column.name} varchar")
        connection.execute(f"alter table parsed.{name} add column {column.name} {duckdb_type(column)}")
    titles = connection.execute(f"select distinct unnest(json_keys(_extra)) from raw.{name}").fetchall()
    for column in columns:
        for (title,) in titles:
            if loose(title) == loose(column.name):
                connection.execute(
                    f"update raw.{name} set {column.name} = json_extract_string(_extra, $title),"
                    " _extra = nullif(json_merge_patch(_extra, json_object($title, null))::varchar, '{}')"
                    " where json_exists(_extra, $title)",
                    {"title": title},
                )
    # Line 0 is a deletion by a snapshot: it is in no file, and has no value besides its key.
    connection.execute(f"delete from parsed.{name} where _line > 0")
    given = [column.name for column in extract.all_columns]
    loaded = connection.execute(
        "select delivery, loaded_at from raw.ledger where extract = ? and status = 'loaded' order by delivery", [name]
    ).fetchall()
    for delivery, loaded_at in loaded:
        connection.execute(
            f"insert into parsed.{name} by name {parsed_rows(extract, given, tidy=False)}",
            {"delivery": delivery, "loaded_at": loaded_at},
        )
        repeated_keys.sum_again(connection, extract, delivery)
    # The next row checks start from the beginning.
    connection.execute("drop table if exists validation.inputs")
    return int(connection.execute(f"select count(*) from parsed.{name} where _line > 0").fetchall()[0][0])


def parsed_rows(extract: Extract, given: Collection[str], *, tidy: bool) -> str:
    """SQL that parses the raw rows of the delivery `$delivery` and checks each one alone; its columns are those of
    `parsed.<extract>`.

    given: the columns that the delivery has; tidy: whether its cells are as `record_batches.TIDY` tells; `$loaded_at`:
    the moment of the load.
    """
    columns = extract.all_columns
    composed = ", ".join(
        f"{(c.name if tidy else _composed(c.name)) if c.name in given else 'null::varchar'} as n_{c.name}"
        for c in columns
    )
    clean = ", ".join(f"{_or_null(f'n_{c.name}') if tidy else _trimmed(f'n_{c.name}')} as c_{c.name}" for c in columns)
    cleaned = ", ".join(f"c_{c.name}" for c in columns)
    cast_to = {c.name: duckdb_type(c) for c in columns if c.type not in ("text", "boolean")}
    cast = "".join(f", try_cast(c_{name} as {kind}) as t_{name}" for name, kind in cast_to.items())
    parsed = ", ".join(f"{_parsed(c)} as {c.name}" for c in columns)
    kept = ", ".join("_updated_at as updated_at" if c.name == "updated_at" else c.name for c in columns)
    return f"""
        with composed as (
            select {composed}, _delivery, _line, _malformed
            from raw.{extract.name}
            where _delivery = $delivery
        ),
        clean as (
            select {clean}, _delivery, _line, _malformed
            from composed
        ),
        tried as (
            select {cleaned}{cast}, _delivery, _line, _malformed
            from clean
        ),
        parsed as (
            select {cleaned}, {parsed}, _delivery, _line, _malformed
            from tried
        ),
        checked as (
            select
                *,
                {_verdict(extract)} as _verdict,
                coalesce(updated_at > $loaded_at + interval 1 day, false) as _from_future
            from parsed
        )
        select {kept}, _delivery, _line, nullif(split_part(_verdict, ':', 1), '') as _reason,
            nullif(split_part(_verdict, ':', 2), '') as _column, _from_future, false as _superseded
        from (
            select *, case when _from_future then $loaded_at else updated_at end as _updated_at
            from checked
        )
        """


def _composed(text: str) -> str:
    """The text in NFC. A text with a zero byte stays as it is: `nfc_normalize` would cut it there."""
    return f"case when contains({text}, chr(0)) then {text} else nfc_normalize({text}) end"


def _trimmed(text: str) -> str:
    """The text without white space around it; null if nothing is left."""
    # Trimming other characters than spaces takes 1 µs a cell. Nearly every cell begins and ends with a printable ASCII
    # character and needs none; a pattern finds those of the others that do.
    plain = f"unicode({text}) between 33 and 126 and unicode(right({text}, 1)) between 33 and 126"
    trimmed = f"trim({text}, {literal(WHITE_SPACE)})"
    return (
        f"nullif(case when {plain} then {text} when regexp_matches({text}, '{_PADDED}') then {trimmed} else {text} end,"
        " '')"
    )


def _or_null(text: str) -> str:
    return f"nullif({text}, '')"


def _parsed(column: Column) -> str:
    """The typed value of the clean text `c_…`. `t_…` is DuckDB's cast of it, which accepts more than the rules do."""
    clean, tried = f"c_{column.name}", f"t_{column.name}"
    if column.type == "date":
        # A pattern takes 80 ns a cell. In ten bytes of this form a cast accepts only digits, or a sign in front.
        return f"case when strlen({clean}) = 10 and {clean} like '____-__-__' and {clean} >= '0' then {tried} end"
    if column.type == "timestamp":
        return f"case when regexp_full_match({clean}, '{_TIMESTAMP}') then {tried} end"
    if column.type == "number":
        # A cast also accepts 1_000, +-1 and numbers above the limit.
        exact = f"not contains({clean}, '_') and not contains({clean}, '+-')"
        return f"case when abs({tried}) < {_TOO_LARGE} and {exact} then {tried} end"
    if column.type == "boolean":
        return (
            f"case when lower({clean}) in ('true', 't', 'yes', '1') then true"
            f" when lower({clean}) in ('false', 'f', 'no', '0') then false end"
        )
    return f"coalesce({clean}, {literal(column.default)})" if column.default else clean


def _verdict(extract: Extract) -> str:
    """A CASE that gives `reason:column` for the first broken rule, in the order of REASONS, or NULL."""
    key = [column for column in extract.columns if column.name in extract.key]
    of_key = [*_missing(extract, key), *_bad_type(key)]
    of_all = [
        *_missing(extract, list(extract.columns)),
        *_bad_type(list(extract.all_columns)),
        *_bad_enum(extract),
        *_out_of_range(extract),
        *((later, "bad_date_order", f"{later} < {earlier}") for later, earlier in extract.date_order),
    ]
    # A deletion needs only its key: the other rules do not apply to it.
    return f"case when _malformed then 'malformed_row' when is_deleted then {_case(of_key)} else {_case(of_all)} end"


def _case(rules: list[tuple[str, str, str]]) -> str:
    return "case " + " ".join(f"when {test} then '{reason}:{column}'" for column, reason, test in rules) + " end"


def _missing(extract: Extract, columns: list[Column]) -> list[tuple[str, str, str]]:
    needs = dict(extract.needs)
    rules = []
    for column in columns:
        if column.required:
            rules.append((column.name, "missing_required", f"c_{column.name} is null"))
        elif column.name in needs:
            rules.append((column.name, "missing_required", f"c_{column.name} is null and {needs[column.name]}"))
    return rules


def _bad_type(columns: list[Column]) -> list[tuple[str, str, str]]:
    return [
        (
            column.name,
            "bad_type",
            # Any text is valid, except what replaces a cell of a workbook that has no usable value (#N/A).
            f"c_{column.name} in ({', '.join(map(literal, BAD_CELLS))})"
            if column.type == "text"
            else f"c_{column.name} is not null and {column.name} is null",
        )
        for column in columns
    ]


def _bad_enum(extract: Extract) -> list[tuple[str, str, str]]:
    rules = []
    further = dict(extract.checks_enum)
    for column in extract.columns:
        if column.choices:
            choices = ", ".join(literal(choice) for choice in column.choices)
            rules.append((column.name, "bad_enum", f"{column.name} not in ({choices})"))
        if column.currency:
            # The pattern takes 60 ns a row, and nearly all rows have one of these currencies.
            is_none = f"not regexp_full_match({column.name}, '[A-Z]{{3}}')"
            rules.append((column.name, "bad_enum", f"{column.name} not in ({_COMMON_CURRENCIES}) and {is_none}"))
        if column.name in further:
            rules.append((column.name, "bad_enum", further[column.name]))
    return rules


def _out_of_range(extract: Extract) -> list[tuple[str, str, str]]:
    rules = []
    further = dict(extract.checks_range)
    for column in extract.columns:
        if column.at_least is not None:
            rules.append((column.name, "out_of_range", f"{column.name} < {column.at_least}"))
        if column.above is not None:
            rules.append((column.name, "out_of_range", f"{column.name} <= {column.above}"))
        if column.name in further:
            rules.append((column.name, "out_of_range", further[column.name]))
    return rules
