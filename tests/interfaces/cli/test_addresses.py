"""`amkpi addresses`: lists the changed addresses that are held, and confirms them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from amkpi.access import addresses
from amkpi.core.home import Home
from amkpi.interfaces.cli.main import main

NOW = datetime(2026, 10, 18, 1, 0, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home in which two addresses are held, and no mail server."""
    monkeypatch.delenv("AIRFLOW_CONN_AMKPI_SMTP", raising=False)
    home = Home.at(tmp_path)
    home.make()
    addresses.observe(home.state, [("A", "a@x.example"), ("B", "b@x.example")], NOW)
    addresses.observe(home.state, [("A", "a2@x.example"), ("B", "b2@x.example")], NOW)
    return home


def call(home: Home, *arguments: str) -> int:
    return main(["addresses", "--home", str(home.root), *arguments])


def held(home: Home) -> list[str]:
    return [each.staff_id for each in addresses.changes(home.state)]


def test_the_list_shows_old_and_new(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(home) == 0
    shown = "".join(capsys.readouterr())
    assert "A: a@x.example -> a2@x.example, held, not told yet" in " ".join(shown.split())
    assert held(home) == ["A", "B"]


def test_one_that_was_told_is_confirmed_at_once(home: Home) -> None:
    for change in addresses.changes(home.state):
        addresses.mark_old_told(home.state, change, "", NOW)
    assert call(home, "--confirm", "A") == 0
    assert held(home) == ["B"]
    assert addresses.confirmed(home.state) == {"A": "a2@x.example", "B": "b@x.example"}


def test_the_old_address_is_told_first_unless_somebody_says_that_it_cannot_be(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(home, "--confirm-all") == 1
    assert "--without-notice" in " ".join("".join(capsys.readouterr()).split())
    assert held(home) == ["A", "B"]
    assert call(home, "--confirm-all", "--without-notice") == 0
    assert held(home) == []


def test_who_has_no_change_is_a_mistake(home: Home) -> None:
    assert call(home, "--confirm", "A", "--confirm", "C", "--without-notice") == 1
    assert held(home) == ["A", "B"]


def test_the_status_names_who_waits(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--home", str(home.root)]) == 0
    assert "changed addresses are held of A, B" in " ".join("".join(capsys.readouterr()).split())
