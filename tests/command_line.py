"""The command `amkpi` in the process of the test: no start of Python and its imports for each call."""

from __future__ import annotations

import io
import os
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from amkpi.interfaces.cli.main import main


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, what it printed, and the environment variables that it changed."""

    code: int
    stdout: str
    stderr: str
    changed_variables: frozenset[str]


def variables(home: Path | None, **environment: str) -> dict[str, str]:
    """The variables of a command: AMKPI_HOME and these, and no AMKPI_* variable of the machine."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AMKPI_")}
    kept |= {"AMKPI_SETTLE_SECONDS": "0", "NO_COLOR": "1", **environment}
    return kept | {"AMKPI_HOME": str(home)} if home else kept


def amkpi(home: Path | None, *arguments: str, **environment: str) -> Ended:
    """Run `amkpi` with AMKPI_HOME and these variables, and with no AMKPI_* variable of the machine."""
    given = variables(home, **environment)
    out, err = io.StringIO(), io.StringIO()
    with mock.patch.dict(os.environ, given, clear=True), redirect_stdout(out), redirect_stderr(err):
        code = main(arguments)
        changed = frozenset(name for name, _ in dict(os.environ).items() ^ given.items())
    return Ended(code, out.getvalue(), err.getvalue(), changed)


def failed(ended: Ended, code: int) -> str:
    """The one line of a failure."""
    assert ended.code == code, ended.stdout + ended.stderr
    lines = ended.stderr.strip().splitlines()
    assert len(lines) == 1, ended.stderr
    return lines[0]
