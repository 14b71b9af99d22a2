"""`amkpi close` and `amkpi reopen`: exit codes, and one line that says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command_line import amkpi, failed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("close",), "say a PERIOD, or --verify alone"),
        (("close", "2026-Q1", "--verify"), "say a PERIOD, or --verify alone"),
        (("close", "--verify", "--by", "An"), "say a PERIOD, or --verify alone"),
        (("close", "2026-Q1"), "say who closes the period, with --by NAME"),
        (("close", "2026-Q1", "--by", " "), "say who closes the period, with --by NAME"),
        (("reopen", "2026-Q1", "--by", "An"), "Missing option '--note'"),
        (("reopen", "2026-Q1", "--note", "why"), "Missing option '--by'"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_is_missing(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    ended = amkpi(tmp_path, *arguments)
    assert ended.code == 2
    assert said in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("close", "summer", "--by", "An"), "'summer' cannot be closed: say a period as 2026-09, 2026-Q3 or 2026"),
        (("close", "t12m:2026-09", "--by", "An"), "a trailing year is never closed"),
        (("close", "2026-Q1", "--by", "An"), "yet: run `amkpi run`"),
        (("reopen", "2026-Q1", "--by", "An", "--note", "why"), "2026-Q1 cannot be reopened: nothing is closed"),
        (("reopen", "2026-Q1", "--by", "An", "--note", " "), "say who reopens and why"),
    ],
)
def test_what_cannot_be_done_ends_with_1_and_one_line(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    assert said in failed(amkpi(tmp_path, *arguments), 1)


def test_nothing_closed_is_intact_and_an_altered_register_is_not(tmp_path: Path) -> None:
    ended = amkpi(tmp_path, "close", "--verify")
    assert (ended.code, ended.stdout) == (0, "nothing is closed\n")
    (tmp_path / "state" / "closings.jsonl").write_text('{"home_id": "x", "previous": "", "sha256": "0"}\n', "utf-8")
    line = failed(amkpi(tmp_path, "close", "--verify"), 3)
    assert "line 1 of the register of closings" in line
    assert "was altered: `amkpi restore BACKUP --only closings.jsonl` brings it back" in line
    assert "line 1 of the register of closings" in amkpi(tmp_path, "status").stdout
