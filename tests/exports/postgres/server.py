"""A PostgreSQL cluster of its own: no port, a socket in a folder of its own, and a user who is not root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2

_USERS = ("postgres", "nobody")
_OPTIONS = "-c listen_addresses='' -c fsync=off -c full_page_writes=off -c shared_buffers=32MB -c max_connections=40"


@dataclass(frozen=True)
class Server:
    """A running server."""

    folder: Path

    def url(self, database: str, user: str = "postgres") -> str:
        """The address of a database for a user; everybody is let in without a password."""
        return " ".join(
            f"{name}='{_escaped(value)}'" for name, value in
            (("host", str(self.folder)), ("dbname", database), ("user", user))
        )  # fmt: skip

    def open(self, database: str, user: str = "postgres") -> Any:
        """A connection that commits each statement."""
        connection = psycopg2.connect(self.url(database, user))
        connection.autocommit = True
        return connection

    def rows(self, database: str, sql: str, *values: Any, user: str = "postgres") -> list[tuple[Any, ...]]:
        """What a statement gives."""
        connection = self.open(database, user)
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql, values or None)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")


def programs() -> Path | None:
    """The folder with the programs of the newest PostgreSQL from 15 on; None where there is none."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb") if int(path.parts[4]) >= 15]
    return max(found, key=lambda path: int(path.parts[4]), default=None)


@contextmanager
def running(bin_: Path, options: str = "") -> Iterator[Server]:
    """Start a server, and remove it afterwards. options: of `postgres`, over those of every test."""
    # A short path: the one of a socket may have 107 characters. The folders of pytest are root's alone.
    folder = Path(tempfile.mkdtemp(prefix="amkpi-pg-", dir="/tmp"))
    as_user: dict[str, Any] = {}
    if os.getuid() == 0:
        known = {entry.pw_name: entry for entry in pwd.getpwall()}
        user = next(known[name] for name in _USERS if name in known)
        shutil.chown(folder, user.pw_uid, user.pw_gid)
        as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def run(program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(bin_ / program), "-D", str(folder / "data"), *arguments], cwd=folder, check=False, timeout=60,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **as_user,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    try:
        run("initdb", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        run("pg_ctl", "-l", str(folder / "log"), "-o", f"{_OPTIONS} {options} -k {folder}", "-w", "-t", "30", "start")
        try:
            yield Server(folder)
        finally:
            run("pg_ctl", "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
