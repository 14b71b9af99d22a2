"""Whether the closing files, the register and the current publication fit each other."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from amkpi.core.errors import ClosingsBroken
from amkpi.core.home import Home
from amkpi.core.publication_id import current_file
from amkpi.core.storage import closing_register
from amkpi.core.storage.closing_register import FIX, REGISTER_FIX, Register
from amkpi.core.storage.internal_schemas import internal_schema
from amkpi.publishing.closing import files
from amkpi.publishing.publication_file import CLOSABLE


@dataclass(frozen=True)
class Verified:
    """The verified register, and the closing that the current publication names (None: it names none yet)."""

    register: Register
    published: tuple[int, str] | None


def verify(home: Home) -> Verified:
    """Compare files, chain and the current publication. Raises ClosingsBroken, in one line, where they do not fit."""
    register = closing_register.read(home)
    _verify_files(home, register)
    return Verified(register, _verify_publication(home, register))


def verify_rows(home: Home) -> int:
    """Compare the closed rows of the current publication with the closing files; returns how many periods.

    Raises ClosingsBroken where a row is not as it was closed.
    """
    file = current_file(home)
    if file is None or published_closing(home) is None:
        return 0
    with duckdb.connect() as connection, files.attached(connection, file, "seen"):
        as_of = connection.execute("select as_of from seen.marts.publication").fetchall()[0][0]
        in_force = closing_register.read(home).in_force(as_of)
        closing = internal_schema(connection, "closing", "seen")
        shown = connection.execute(f"select count(*) from seen.{closing}.periods").fetchall()[0][0]
        periods = sum(len(act.periods) for act in in_force)
        if shown != periods:
            return 0  # a closing or a reopening that is not published yet
        for act in in_force:
            with files.attached(connection, act.file(home), "one_closing"):
                for mart in CLOSABLE:
                    _compare(connection, mart, act.file_name)
    return periods


def _compare(connection: duckdb.DuckDBPyConnection, mart: str, file_name: str) -> None:
    columns = ", ".join(
        name
        for (name,) in connection.execute(
            "select column_name from duckdb_columns() where database_name = 'one_closing' and table_name = ?"
            " intersect select column_name from duckdb_columns() where database_name = 'seen' and table_name = ?"
            " and schema_name = 'marts' order by all",
            [mart, mart],
        ).fetchall()
    )
    of_act = f"from seen.marts.{mart} semi join one_closing.periods using (period_grain, period_start)"
    differing = connection.execute(
        f"select count(*) from ((select {columns} {of_act} except all select {columns} from one_closing.{mart})"
        f" union all (select {columns} from one_closing.{mart} except all select {columns} {of_act}))"
    ).fetchall()[0][0]
    if differing:
        raise ClosingsBroken(
            f"{differing} rows of marts.{mart} in the current publication are not as closed/{file_name} has them:"
            " run `amkpi run` to publish again"
        )


def published_closing(home: Home) -> tuple[int, str] | None:
    """Number and hash of the last line of the register, as the current publication names them."""
    file = current_file(home)
    if file is None:
        return None
    try:
        with duckdb.connect(str(file), read_only=True) as connection:
            named = connection.execute("select closing_n, closing_sha256 from marts.publication").fetchall()
    except duckdb.Error:
        # Broken, or of a version before closings: either way it names nothing, and the next one takes its place.
        return None
    return (named[0][0], named[0][1]) if named and named[0][1] is not None else None


def _verify_files(home: Home, register: Register) -> None:
    known = {act.file_name: act for act in register.acts}
    for act in known.values():
        file = act.file(home)
        try:
            is_same = files.sha256(file) == register.file_hash(act)
        except FileNotFoundError as error:
            raise ClosingsBroken(f"{file} is gone, which the register of closings names: {FIX}") from error
        except OSError as error:
            raise ClosingsBroken(f"{file} cannot be read: {error.strerror}") from error
        if not is_same:
            raise ClosingsBroken(f"{file} is not the file that was closed: its content was altered; {FIX}")
    for path in files.found(home):
        if path.name not in known:
            written = files.about(path)
            if register.home_id is None:
                gone = closing_register.path(home)
                raise ClosingsBroken(f"the register of closings {gone} is gone, and {path} is there: {REGISTER_FIX}")
            if written is None:
                what = "is no closing file"
            elif written.home_id != register.home_id:
                what = "is a closing file of another HOME"
            else:
                what = "has no line in the register of closings"
            raise ClosingsBroken(f"{path} {what}: move it away, or {FIX}")


def _verify_publication(home: Home, register: Register) -> tuple[int, str] | None:
    named = published_closing(home)
    if named is None:
        return None
    lines = [(line.n, own) for line, own in zip(register.lines, register.hashes, strict=True)]
    if named not in lines:
        raise ClosingsBroken(
            f"the current publication names line {named[1][:12]}… about closing {named[0]}, which the register of"
            f" closings {closing_register.path(home)} does not have: {REGISTER_FIX}"
        )
    return named
