"""A process that is killed while it closes or reopens leaves the whole act or nothing, and an intact chain."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from amkpi.core.home import Home
from amkpi.core.storage import closing_register
from amkpi.publishing.closing import acts, verification
from tests.paths import ROOT
from tests.publishing.closing.conftest import Closable

MOMENT = "2026-10-20T01:00:00+00:00"


@pytest.fixture(scope="module")
def die() -> Iterator[Callable[[Path, str, int], bool]]:
    """Acts in a home and is killed at a point; returns whether it came to that."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.publishing.closing.crash_injection", MOMENT],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    ) as process:  # fmt: skip

        def act(root: Path, what: str, fatal: int) -> bool:
            assert process.stdin is not None
            assert process.stdout is not None
            print(json.dumps([str(root), what, fatal]), file=process.stdin, flush=True)
            result = json.loads(process.stdout.readline())
            assert result["killed"] or result["code"] == 0, result
            return bool(result["killed"])

        yield act
        assert process.stdin is not None
        process.stdin.close()


def _points(root: Path) -> int:
    return int((root / "points").read_text())


def _copy(root: Path, to: Path) -> Home:
    shutil.copytree(root, to, symlinks=True)
    return Home.at(to)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("early", "late"),
    [pytest.param(29, 3, id="some points"), pytest.param(7, 1, id="more points", marks=pytest.mark.long)],
)
def test_a_killed_closing_is_whole_or_not_at_all(
    published: Closable, die: Callable[[Path, str, int], bool], tmp_path: Path, early: int, late: int
) -> None:
    root = published.home.root
    whole = _copy(root, tmp_path / "whole")
    assert not die(whole.root, "close", 0)
    points = _points(whole.root)
    assert points > 60
    results = set()
    # Close together in the last steps, where the file and the line appear; far apart in the many statements before.
    for fatal in sorted({*range(1, points, early), *range(points, points - 41, -late)}):
        home = _copy(root, tmp_path / f"at_{fatal}")
        assert die(home.root, "close", fatal)
        acts.recover(home)
        register = verification.verify(home).register
        results.add(len(register.acts))
        assert len([path for path in home.closed.iterdir() if not path.name.startswith(".")]) == len(register.acts)
        if not register.acts:
            # What was left behind does not hinder the next.
            assert not die(home.root, "close", 0)
            assert len(verification.verify(home).register.acts) == 1
        assert [path.name for path in home.closed.iterdir()] == ["1-2026-Q2.duckdb"]
        shutil.rmtree(home.root)
    assert results == {0, 1}


@pytest.mark.slow
@pytest.mark.parametrize(
    "step", [pytest.param(3, id="some points"), pytest.param(1, id="every point", marks=pytest.mark.long)]
)
def test_a_killed_reopening_is_whole_or_not_at_all(
    published: Closable, die: Callable[[Path, str, int], bool], tmp_path: Path, step: int
) -> None:
    root = published.home.root
    assert not die(root, "close", 0)
    whole = _copy(root, tmp_path / "whole")
    assert not die(whole.root, "reopen", 0)
    results = set()
    points = _points(whole.root)
    # The line of the register appears in the last steps.
    for fatal in sorted({*range(1, points, step), *range(max(points - 3, 1), points + 1)}):
        home = _copy(root, tmp_path / f"at_{fatal}")
        assert die(home.root, "reopen", fatal)
        acts.recover(home)
        results.add(len(verification.verify(home).register.in_force()))
        shutil.rmtree(home.root)
    assert results == {0, 1}
    assert len(closing_register.read(whole).lines) == 2
