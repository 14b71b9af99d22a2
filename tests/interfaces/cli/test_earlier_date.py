"""A date before the one that readers see is published beside, unless somebody asks for it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.command_line import amkpi
from tests.scorecards import agency

BEFORE, SEEN, AFTER = "2026-10-16", "2026-10-17", "2026-10-18"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose readers see 17 October."""
    made = agency.run_of(tmp_path).home
    agency.publish(made)
    return made.root


@pytest.mark.parametrize(
    ("arguments", "historical", "said"),
    [
        (("--as-of", BEFORE), True, "readers see a later date than 16/10/2026, and keep it; --current switches them"),
        (("--as-of", BEFORE, "--current"), False, ""),
        (("--as-of", BEFORE, "--historical"), True, ""),
        (("--as-of", SEEN), False, ""),
        (("--as-of", AFTER), False, ""),
        (("--as-of", AFTER, "--historical"), True, ""),
    ],
)
def test_readers_are_taken_back_only_by_a_flag(
    home: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], historical: bool, said: str
) -> None:
    asked: list[bool] = []

    def publish(run: Any) -> Any:
        asked.append(run.historical)
        return SimpleNamespace(file=home, is_new=True, historical=run.historical, repaired=False)

    monkeypatch.setattr("amkpi.pipeline.steps.publish", publish)
    ended = amkpi(home, "publish", *arguments)
    assert (ended.code, asked) == (0, [historical]), ended.stderr
    assert (said in ended.stderr) if said else ended.stderr == ""


def test_the_whole_run_is_aimed_before_it_builds(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def build(run: Any, progress: Any, on_start: Any) -> Any:
        asked.append(run.historical)
        return SimpleNamespace(is_new=False, publication_id="a")

    monkeypatch.setattr("amkpi.pipeline.steps.build", build)
    assert amkpi(home, "run", "--as-of", BEFORE).code == 0
    assert amkpi(home, "run", "--as-of", BEFORE, "--current").code == 0
    assert asked == [True, False]


def test_both_flags_exclude_each_other(home: Path) -> None:
    ended = amkpi(home, "publish", "--historical", "--current")
    assert ended.code == 2
    assert "exclude each other" in ended.stderr
