"""The connection to the PostgreSQL database that publications are also written to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from amkpi.core.errors import AmkpiError
from amkpi.core.settings import Settings

# `nulls not distinct` and `security_invoker` came with it.
_OLDEST = 150000
_CONNECT_SECONDS = 10
# A server that no longer answers ends the connection instead of stopping the night's run.
_SILENT_MILLISECONDS = 120_000


def postgres_url(settings: Settings) -> str | None:
    """The address of the database; None where publications are not written to one. Raises AmkpiError."""
    given = settings.postgres.url.get_secret_value().strip()
    file = settings.postgres.url_file
    if given and file:
        raise AmkpiError("postgres_url and postgres_url_file are both set: remove one of them")
    if not file:
        return given or None
    try:
        return Path(file).read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError) as error:
        raise AmkpiError(f"setting postgres_url_file: {file} cannot be read: {error}") from error


@contextmanager
def connected(url: str) -> Iterator[Any]:
    """A psycopg2 connection, closed afterwards. Raises AmkpiError, in one line that never has the password."""
    try:
        import psycopg2
    except ImportError as error:
        raise AmkpiError("setting postgres_url needs psycopg2: install amkpi with the extra `postgres`") from error
    try:
        secret = psycopg2.extensions.parse_dsn(url).get("password") or ""
    except psycopg2.Error:
        # The message of the library repeats the address, with the password.
        raise AmkpiError(
            "setting postgres_url cannot be read: write it as"
            " postgresql://user:password@db.example:5432/database?sslmode=verify-full"
        ) from None
    try:
        connection = psycopg2.connect(
            url, connect_timeout=_CONNECT_SECONDS, application_name="amkpi", client_encoding="UTF8",
            tcp_user_timeout=_SILENT_MILLISECONDS,
        )  # fmt: skip
    except psycopg2.Error as error:
        raise AmkpiError(f"PostgreSQL cannot be reached: {one_line(error, secret)}; see setting postgres_url") from None
    try:
        _check(connection)
        yield connection
    except psycopg2.Error as error:
        raise AmkpiError(f"PostgreSQL: {one_line(error, secret)}") from error
    finally:
        connection.close()


def one_line(error: Exception, secret: str = "") -> str:
    """The message of PostgreSQL in one line, without the secret."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text.replace(secret, "***") if secret else text


def _check(connection: Any) -> None:
    if connection.server_version < _OLDEST:
        raise AmkpiError(f"PostgreSQL 15 or later is needed; the server has {connection.server_version // 10000}")
    encoding = connection.get_parameter_status("server_encoding")
    if encoding != "UTF8":
        raise AmkpiError(f"the database has the encoding {encoding}: create it with the encoding UTF8")
