"""stack/make-secrets: random, once, and for nobody else's eyes."""

from __future__ import annotations

import base64
import re
import subprocess
from pathlib import Path

import yaml

from tests.paths import ROOT


def make(folder: Path, *more: str) -> dict[str, str]:
    """Run it; returns each secret's text."""
    subprocess.run([str(ROOT / "stack" / "make-secrets"), str(folder), *more], check=True, capture_output=True)
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_each_secret_of_the_compose_file_is_made_and_random(tmp_path: Path) -> None:
    one, other = make(tmp_path / "one"), make(tmp_path / "other")
    declared = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["secrets"]
    assert one.keys() == declared.keys()
    for name in one.keys() - {"amkpi_smtp", "pages_oidc"}:
        assert len(one[name]) >= 24
        assert one[name] != other[name]
    assert len(base64.urlsafe_b64decode(one["fernet_key"])) == 32
    assert one["amkpi_smtp"] == one["pages_oidc"] == ""


def test_only_its_owner_comes_near_them(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    make(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o444}


def test_a_second_run_keeps_what_is_there_and_makes_what_was_removed(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    first = make(folder)
    assert make(folder) == first
    (folder / "admin_password").unlink()
    second = make(folder)
    assert {name for name in first if first[name] != second[name]} == {"admin_password"}


def test_the_database_address_follows_its_password(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    make(folder)
    (folder / "postgres_password").unlink()
    made = make(folder)
    assert (
        made["sql_alchemy_conn"] == f"postgresql+psycopg2://airflow:{made['postgres_password']}@postgres:5432/airflow"
    )
    # In the address as they are: nothing that would have to be escaped.
    assert set(made["postgres_password"]) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_the_publisher_of_the_marts_has_an_address_and_a_password_of_its_own(tmp_path: Path) -> None:
    made = make(tmp_path / "secrets")
    address = re.fullmatch(r"postgresql://amkpi_publisher:([\w-]{40})@marts-db:5432/kpi", made["marts_url"])
    assert address
    assert address[1] not in (made["marts_admin_password"], made["postgres_password"])
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    assert "marts-db" in compose["services"]


def test_the_mail_server_is_what_was_last_given(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    make(folder, "smtp://mail:1025/?security=none")
    assert make(folder)["amkpi_smtp"] == "smtp://mail:1025/?security=none"
    assert make(folder, "smtp://other:25")["amkpi_smtp"] == "smtp://other:25"
