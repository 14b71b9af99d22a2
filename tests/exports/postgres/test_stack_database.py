"""The database of the marts in the stack: made once, with a publisher of its own whose password follows the secret."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from amkpi.core.publication_id import current_file
from amkpi.exports.postgres.write import write
from tests.exports.postgres.conftest import NOW, Database
from tests.exports.postgres.server import Server
from tests.paths import ROOT

pytestmark = pytest.mark.slow

PASSWORDS = "select rolpassword from pg_authid where rolname = 'marts_publisher'"


@pytest.fixture(scope="module")
def initialise() -> Any:
    spec = importlib.util.spec_from_file_location("initialise", ROOT / "stack" / "initialise.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def address(server: Server) -> Iterator[str]:
    """The publisher's address in a server that knows nothing of it yet."""
    yield f"postgresql://marts_publisher:first@/marts_of_the_stack?host={server.folder}"
    server.rows("postgres", "drop database if exists marts_of_the_stack with (force)")
    server.rows("postgres", "drop role if exists marts_publisher")


def test_it_is_made_once_and_its_publisher_can_write_a_publication(
    initialise: Any, server: Server, database: Database, address: str
) -> None:
    database.publish(20)
    file = current_file(database.home)
    assert file is not None
    administrator = server.url("postgres")
    initialise.prepare_marts_database(address, administrator)
    ((before,),) = server.rows("postgres", PASSWORDS)
    assert before.startswith("SCRAM-SHA-256$")
    report = write(address, file, database.settings, NOW)
    assert report.is_new
    initialise.prepare_marts_database(address.replace("first", "other"), administrator)
    ((after,),) = server.rows("postgres", PASSWORDS)
    assert after != before, "a new password in secrets/ reaches the server with the next start"
    assert not write(address, file, database.settings, NOW).is_new, "and the marts are still there"
    flags = "select rolsuper, rolcreatedb, rolbypassrls, rolcreaterole from pg_roles where rolname = 'marts_publisher'"
    assert server.rows("postgres", flags) == [(False, False, False, True)]
    public = "select has_database_privilege('public', 'marts_of_the_stack', 'connect')"
    assert server.rows("postgres", public) == [(False,)]


def test_without_the_setting_of_the_stack_no_server_is_asked(
    initialise: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(initialise, "prepare_marts_database", lambda url, administrator: asked.append(url))
    monkeypatch.setattr(initialise, "SECRETS", tmp_path)
    for name in ("marts_url", "marts_admin_password"):
        (tmp_path / name).write_text(name)
    for given in ("", "/etc/amkpi/postgres_url"):
        monkeypatch.setenv("AMKPI_POSTGRES_URL_FILE", given)
        initialise.prepare_marts()
    assert asked == []
    monkeypatch.setenv("AMKPI_POSTGRES_URL_FILE", str(tmp_path / "marts_url"))
    initialise.prepare_marts()
    assert asked == ["marts_url"]


def test_a_server_that_does_not_run_is_told_with_the_profile(
    initialise: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(initialise, "SECRETS", tmp_path)
    (tmp_path / "marts_url").write_text("postgresql://p:secret@marts-db:5432/kpi")
    (tmp_path / "marts_admin_password").write_text("secret")
    monkeypatch.setenv("AMKPI_POSTGRES_URL_FILE", str(tmp_path / "marts_url"))
    with pytest.raises(SystemExit, match="`postgres` in COMPOSE_PROFILES") as ended:
        initialise.prepare_marts()
    assert "secret@" not in str(ended.value)
