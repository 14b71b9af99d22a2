"""The register of closings: whoever changes it breaks its chain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from amkpi.core.errors import ClosingsBroken
from amkpi.core.home import Home
from amkpi.core.storage import closing_register
from amkpi.core.storage.closing_register import Act, ClosedPeriod, Reopening

MOMENT = datetime(2026, 10, 20, 1, 0, tzinfo=UTC)
ACT = Act(
    n=1, period="2026-Q3", periods=(ClosedPeriod("quarter", date(2026, 7, 1), date(2026, 9, 30)),), by="Nguyễn An",
    at=MOMENT, note="dòng\u2028mới", publication_id="00112233445566aa", as_of=date(2026, 10, 17), delivery=11,
    pipeline_version="0.2.0+test", reporting_currency="VND", waiting_files=0, waiting_rows=3, rows_held_back=2,
    file_sha256="ab",
)  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with two acts, of which the second is reopened."""
    home = Home.at(tmp_path)
    home.make()
    register = closing_register.begin(home)
    register = closing_register.append(home, register, ACT)
    register = closing_register.append(home, register, replace(ACT, n=2, period="2026-Q2"))
    closing_register.append(home, register, Reopening(2, "2026-Q2", "An", MOMENT, "too early"))
    return home


def test_what_was_written_is_read_again(home: Home) -> None:
    register = closing_register.read(home)
    assert register.lines[0] == ACT
    assert [act.n for act in register.in_force()] == [1]
    assert register.last == (2, register.hashes[-1])
    assert len(set(register.hashes)) == 3


def test_a_publication_of_an_earlier_date_does_not_know_a_closing(home: Home) -> None:
    register = closing_register.read(home)
    assert register.in_force(date(2026, 10, 16)) == ()
    assert register.in_force(date(2026, 10, 17)) == (ACT,)


def test_a_home_without_closings_has_no_last_line(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    home.make()
    assert closing_register.read(home).last is None
    begun = closing_register.begin(home)
    assert begun.home_id
    assert closing_register.begin(home).home_id == begun.home_id
    assert closing_register.read(home).last is None


def _lines(change: Callable[[list[str]], list[str]]) -> Callable[[str], str]:
    return lambda text: "".join(f"{line}\n" for line in change(text.split("\n")[:-1]))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace('"waiting_rows": 3', '"waiting_rows": 0', 1),
        lambda text: text.replace("too early", "too late"),
        lambda text: text.replace('{"home_id"', '{ "home_id"'),
        _lines(lambda lines: [*lines[:1], *lines[2:]]),
        _lines(lambda lines: [lines[0], lines[2], lines[1], lines[3]]),
        _lines(lambda lines: lines[1:]),
        lambda text: text[:-30],
        lambda text: text + "{}\n",
    ],
    ids=[
        "a figure",
        "the last line",
        "a space",
        "a line gone",
        "two exchanged",
        "the first gone",
        "cut off",
        "one more",
    ],
)
def test_an_altered_register_is_refused_in_one_line(home: Home, change: Callable[[str], str]) -> None:
    file = closing_register.path(home)
    before = file.read_text("utf-8")
    file.write_text(change(before), "utf-8")
    assert file.read_text("utf-8") != before
    with pytest.raises(ClosingsBroken) as refused:
        closing_register.read(home)
    assert str(file) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert refused.value.exit_code == 3
