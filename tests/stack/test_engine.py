"""tests/stack/engine.py: where no engine can be started the proof says why, and never passes without one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.stack import engine


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of tools that do nothing, before all others; the engine's ends at once."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, script in {**dict.fromkeys(engine.TOOLS, "exit 1"), "dockerd": "echo no iptables; exit 3"}.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return folder


def start(work: Path) -> str:
    """Why no engine could be started."""
    with pytest.raises(engine.NoEngine) as raised, engine.started(work):
        raise AssertionError("this engine cannot be there")
    return str(raised.value)


def test_an_engine_that_ends_is_told_with_what_it_said(tools: Path, tmp_path: Path) -> None:
    assert start(tmp_path / "work") == "dockerd ended with 3; the end of its log:\nno iptables"
    assert not (tmp_path / "work" / "engine").exists()


def test_who_is_not_root_is_told_so(tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "run `sudo make test-stack`" in start(tmp_path)


def test_a_tool_that_is_missing_and_cannot_be_installed_is_named(
    tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tools / "mmdebstrap").unlink()
    monkeypatch.setenv("PATH", str(tools))
    assert start(tmp_path) == "mmdebstrap missing, and no apt-get to install them"
