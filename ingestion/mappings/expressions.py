"""SQL expressions of a source mapping: which are accepted, and how they are evaluated.

An expression is one scalar over the native columns of one row. There are two defences, because each of them alone has
failed somewhere: every node of DuckDB's parse tree must be on a list of allowed ones, and an accepted expression runs
in an in-memory database without access to files and network, whose settings are locked.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import duckdb
import pyarrow as pa

from amkpi.core.storage.sql import identifier, literal
from amkpi.core.storage.transactions import registered
from amkpi.ingestion.readers.record_batches import WHITE_SPACE

MAX_CHARACTERS = 4_000


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_CLASSES = _words("BETWEEN CASE CAST COLUMN_REF COMPARISON CONJUNCTION CONSTANT FUNCTION OPERATOR TYPE")
_TYPES = _words(
    """
    BIGINT BOOL BOOLEAN DATE DECIMAL DOUBLE FLOAT HUGEINT INT INTEGER INTERVAL NUMERIC REAL SMALLINT STRING TEXT TIME
    TIMESTAMP TIMESTAMPTZ TINYINT VARCHAR
    """
)
# The allowed functions are listed, so that a function of a later DuckDB is refused until somebody has checked it. Left
# out on purpose: functions that make texts of any length (repeat, lpad, format), and lists, which allow lambdas.
_FUNCTIONS = _words(
    """
    + - * / // % ^ ** || ~~ !~~ ~~* !~~* ~~~ & | << >>
    abs ceil ceiling concat concat_ws contains date_add date_diff date_part date_sub date_trunc datediff datepart
    datesub datetrunc day dayofweek dayofyear ends_with epoch floor greatest hour if ilike_escape instr isodow isoyear
    json_extract_string json_value ->> last_day lcase least left length like_escape lower ltrim make_date
    make_timestamp md5 minute mod month monthname nfc_normalize not_ilike_escape not_like_escape nullif position power
    prefix quarter regexp_extract regexp_full_match regexp_matches regexp_replace replace reverse right round
    round_even rtrim second sha256 sign split_part starts_with strftime strip_accents strlen strpos strptime substr
    substring suffix timezone to_days to_hours to_minutes to_months to_seconds to_timestamp to_weeks to_years translate
    trim trunc try_strptime ucase upper week weekofyear year
    """
)
_NOT_REPRODUCIBLE = _words(
    """
    age ago current_date current_localtime current_localtimestamp current_time current_timestamp currval
    gen_random_uuid get_current_time get_current_timestamp localtime localtimestamp nextval now random setseed today
    transaction_timestamp txid_current uuid uuidv4 uuidv7
    """
)
_OF_THE_SESSION = _words("current_catalog current_role current_schema current_user session_user")
# These functions of DuckDB cut a text at a zero byte. A text with a zero byte stays as it is instead.
_CUT_AT_ZERO = ("nfc_normalize", "strip_accents")
# The name of a column that gives a table without native columns its rows. No native column has this name.
_FILLER = "\ue000"


class ExpressionError(ValueError):
    """An expression that is not accepted. The text tells why and how to fix it."""


@dataclass(frozen=True)
class Expression:
    """An accepted expression.

    text: as written. columns: the names of its native columns as written, each once. type: of the result, in DuckDB.
    """

    text: str
    columns: tuple[str, ...]
    type: str


@contextmanager
def sandbox() -> Iterator[duckdb.DuckDBPyConnection]:
    """An in-memory database without access to files, network and extensions, which cannot be changed."""
    connection = duckdb.connect(
        ":memory:",
        config={
            "threads": "1",
            "memory_limit": "1GB",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
        },
    )
    try:
        # The order matters: the first is refused when external access is off, and all are after the last one.
        connection.execute("set temp_directory = ''")
        connection.execute("set python_enable_replacements = false")
        for name in _CUT_AT_ZERO:
            # An expression that calls strip_accents gets this macro, and cannot call the function itself.
            connection.execute(
                f"create macro {name}(t) as case when contains(t, chr(0)) then t else system.main.{name}(t) end"
            )
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
        yield connection
    finally:
        connection.close()


@dataclass
class _Parsing:
    """The sandbox of a block, which the first expression opens."""

    stack: ExitStack
    connection: duckdb.DuckDBPyConnection | None = None


_PARSING: ContextVar[_Parsing | None] = ContextVar("_PARSING", default=None)


@contextmanager
def one_sandbox() -> Iterator[None]:
    """Expressions that are parsed in this block share one sandbox: to open one for each takes 30 ms."""
    with ExitStack() as stack:
        token = _PARSING.set(_Parsing(stack))
        try:
            yield
        finally:
            _PARSING.reset(token)


@contextmanager
def _parser() -> Iterator[duckdb.DuckDBPyConnection]:
    """A sandbox to parse one expression in: that of the block, or one of its own. Parsing changes nothing in it."""
    block = _PARSING.get()
    if block is None:
        with sandbox() as connection:
            yield connection
        return
    if block.connection is None:
        block.connection = block.stack.enter_context(sandbox())
    yield block.connection


@lru_cache(maxsize=512)
def parse(text: str) -> Expression:
    """Check one expression. Raises ExpressionError."""
    if not text.strip():
        raise ExpressionError("is empty: write a SQL expression over the native columns")
    if len(text) > MAX_CHARACTERS:
        raise ExpressionError(
            f"is longer than {MAX_CHARACTERS} characters: split it, or prepare the file before delivery"
        )
    with _parser() as connection:
        columns = _checked_columns(_tree(connection, text))
        return Expression(text, columns, _type(connection, text, columns))


def _tree(connection: duckdb.DuckDBPyConnection, text: str) -> dict[str, Any]:
    """The parse tree of the text. Raises ExpressionError unless it is one expression."""
    fix = "write one scalar expression, such as coalesce(\"Client\", 'none')"
    # On lines of its own, so that a comment in it cannot hide the closing bracket.
    try:
        row = connection.execute("select cast(json_serialize_sql(?) as varchar)", [f"select (\n{text}\n)"]).fetchone()
        tree = json.loads(row[0]) if row else {}
    except (duckdb.Error, RecursionError) as error:
        raise ExpressionError(f"does not parse: {_first_line(error)}; {fix}") from error
    if tree.get("error"):
        raise ExpressionError(f"does not parse: {_one_line(str(tree.get('error_message')))}; {fix}")
    statements = tree.get("statements", [])
    if len(statements) != 1:
        raise ExpressionError(f"is more than one statement; {fix}")
    node = statements[0]["node"]
    expressions = node.get("select_list", [])
    bare = (
        node.get("type") == "SELECT_NODE"
        and len(expressions) == 1
        and not expressions[0].get("alias")
        and node.get("from_table", {}).get("type") == "EMPTY"
        and not node.get("cte_map", {}).get("map")
        and not any(
            node.get(part)
            for part in (
                "modifiers", "where_clause", "group_expressions", "group_sets", "having", "sample", "qualify"
            )
        )
    )  # fmt: skip
    if not bare:
        raise ExpressionError(f"is more than one scalar expression; {fix}")
    tree_of_expression: dict[str, Any] = expressions[0]
    return tree_of_expression


def _checked_columns(tree: dict[str, Any]) -> tuple[str, ...]:
    """The columns in the tree. Raises ExpressionError for a node that is not allowed."""
    columns: dict[str, str] = {}
    for node in _nodes(tree):
        kind = node["class"]
        if kind == "COLUMN_REF":
            name = _column(node)
            columns.setdefault(_folded(name), name)
        elif kind == "FUNCTION":
            _check_function(node)
        elif kind == "TYPE":
            _check_type(node)
        elif kind not in _CLASSES or node.get("type") == "GROUPING_FUNCTION":
            what = {"SUBQUERY": "a subquery", "WINDOW": "a window function", "STAR": "a star", "LAMBDA": "a lambda"}
            raise ExpressionError(
                f"{what.get(kind, kind.lower())} is not allowed: an expression can use only the columns of its own row"
            )
    return tuple(columns.values())


def _nodes(tree: dict[str, Any]) -> Iterator[dict[str, Any]]:
    waiting: list[Any] = [tree]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if "class" in item:
                yield item
            waiting.extend(reversed(list(item.values())))
        elif isinstance(item, list):
            waiting.extend(reversed(item))


def _column(node: dict[str, Any]) -> str:
    names: list[str] = node["column_names"]
    if len(names) != 1:
        written = ".".join(names)
        raise ExpressionError(f'{written} is not a column: write "{written}" in double quotes if that is its name')
    name = names[0]
    if name.lower() in _NOT_REPRODUCIBLE:
        raise ExpressionError(_clock(name))
    if name.lower() in _OF_THE_SESSION:
        raise ExpressionError(f"{name} is not allowed: an expression can use only the columns of its own row")
    return name


def _clock(name: str) -> str:
    return (
        f"{name} is not allowed: the same file must give the same rows in every run, so an expression must not use the"
        " clock or random numbers; take the moment from a native column"
    )


def _check_function(node: dict[str, Any]) -> None:
    name = str(node["function_name"]).lower()
    if node.get("schema") or node.get("catalog"):
        raise ExpressionError(
            f'{node.get("schema")}.{name} is not allowed: write functions as lower("A"), without a dot'
        )
    if name in _NOT_REPRODUCIBLE:
        raise ExpressionError(_clock(f"{name}()"))
    orders = (node.get("order_bys") or {}).get("orders")
    if name not in _FUNCTIONS or node.get("filter") or node.get("distinct") or orders or node.get("export_state"):
        close = difflib.get_close_matches(name, _FUNCTIONS, n=1, cutoff=0.75)
        raise ExpressionError(
            f"the function {name} is not allowed{f' (did you mean {close[0]}?)' if close else ''}: an expression"
            " computes only with texts, numbers and dates of its own row"
        )


def _check_type(node: dict[str, Any]) -> None:
    name = str(node["type_name"]).upper()
    if node.get("schema") or node.get("catalog") or name not in _TYPES:
        raise ExpressionError(f"the type {node['type_name']} is not allowed: use one of {', '.join(sorted(_TYPES))}")


def _type(connection: duckdb.DuckDBPyConnection, text: str, columns: Sequence[str]) -> str:
    """The type of the result over text columns, found without evaluating it."""
    columns_as_text = ", ".join(f"null::varchar as {identifier(name)}" for name in (*columns, _FILLER))
    try:
        row = connection.execute(
            f"describe select (\n{text}\n) as v from (select {columns_as_text}) as cells"
        ).fetchone()
    except duckdb.Error as error:
        message = _first_line(error)
        hint = '; every native column is text: cast it first, such as cast("Amount" as decimal(18, 2))'
        raise ExpressionError(
            message + (hint if "argument types" in message or "VARCHAR" in message else "")
        ) from error
    return str(row[1]) if row else ""


def evaluate(
    connection: duckdb.DuckDBPyConnection,
    native: pa.Table,
    places: dict[str, int],
    expressions: Sequence[Expression],
) -> list[pa.Array]:
    """The results of the expressions over the batch `native` as text, one array each, in the order of the rows.

    places: the name of a native column as written in an expression → its place in the batch. The cells are trimmed, in
    NFC, and null if nothing is left. A result of null becomes an empty text; null means that the expression failed on
    that row. Raises duckdb.Error for an error that does not come from a row (memory).
    """
    results = ", ".join(
        f"try(coalesce(cast((\n{expression.text}\n) as varchar), '')) as v{number}"
        for number, expression in enumerate(expressions)
    )
    table = _query(connection, native, f"select {results} from {_cells(places, expressions)}")
    return [column.combine_chunks() for column in table.columns]


def why(connection: duckdb.DuckDBPyConnection, native: pa.Table, places: dict[str, int], expression: Expression) -> str:
    """DuckDB's message for an expression that failed on the one given row."""
    try:
        _query(connection, native, f"select (\n{expression.text}\n) as v from {_cells(places, [expression])}")
    except duckdb.Error as error:
        return _first_line(error)
    return "it fails only together with other rows"


def _cells(places: dict[str, int], expressions: Sequence[Expression]) -> str:
    """The columns of the expressions, as a subquery over the batch."""
    names = {_folded(name): name for expression in expressions for name in expression.columns}
    cells = ", ".join(
        [
            *(
                f"nullif(trim(nfc_normalize(c{places[name]}), {literal(WHITE_SPACE)}), '') as {identifier(name)}"
                for name in names.values()
            ),
            f"null as {identifier(_FILLER)}",
        ]
    )
    return f"(select {cells} from native) as cells"


def rows_as_json(connection: duckdb.DuckDBPyConnection, native: pa.Table, header: Sequence[str]) -> pa.Array:
    """Each row of the batch as it arrived, as a JSON object; `_row` itself if it is set already."""
    pairs = ", ".join(f"{literal(title)}, c{place}" for place, title in enumerate(_titles(header)))
    query = f"select coalesce(_row, cast(json_object({pairs}) as varchar)) as _row from native"
    return _query(connection, native, query).column(0).combine_chunks()


def _query(connection: duckdb.DuckDBPyConnection, native: pa.Table, query: str) -> pa.Table:
    with registered(connection, "native", native):
        return connection.sql(query).to_arrow_table()


def _titles(header: Iterable[str]) -> Iterator[str]:
    """The names of the header, made distinct: a key of an object must be unique, and a Jira export repeats columns."""
    seen: set[str] = set()
    for place, name in enumerate(header, 1):
        title = first = name.strip() or f"column {place}"
        number = 1
        while title in seen:
            number += 1
            title = f"{first} ({number})"
        seen.add(title)
        yield title


def _folded(name: str) -> str:
    """A name as DuckDB compares it: the case of A to Z does not matter, that of other letters does."""
    return "".join(ch.lower() if ch.isascii() else ch for ch in name)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _first_line(error: Exception) -> str:
    return _one_line(str(error).split("\n", 1)[0])
