"""Commands that are killed: `python -m tests.pipeline.dying_commands` runs `amkpi` for each line, and may kill it.

Lines of JSON on standard input: {"arguments": […], "environment": {…}, "moment": …, "after": seconds or null}. Each
answer is a line: {"code": exit code or -9, "seconds": …, "said": standard error}. Each command is a process of its own,
forked from one that has imported everything, and its clock stands at the moment. No production code knows of this.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import replace
from datetime import datetime
from typing import Any

from amkpi.core.run import Run
from amkpi.expectations import runner
from amkpi.interfaces.cli.main import main as amkpi
from amkpi.transform import dbt_runner

# A command that does not end by itself.
_LONGEST = 300.0


def run(arguments: list[str], environment: dict[str, str], moment: str, said: Any) -> int:
    """The command, in this process; returns its exit code, 70 for a traceback."""
    os.environ.update(environment)
    prepare = Run.prepare
    at = datetime.fromisoformat(moment)
    Run.prepare = lambda *given, **named: replace(prepare(*given, **named), now=lambda: at)  # type: ignore[method-assign]
    for descriptor in (1, 2):
        os.dup2(said.fileno(), descriptor)
    try:
        return amkpi(arguments)
    except BaseException:  # noqa: BLE001 - a traceback is what a test looks for
        traceback.print_exc()
        return 70


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Fork, run, and kill after so many seconds where the request says so."""
    began = time.monotonic()
    until = began + (_LONGEST if request["after"] is None else request["after"])
    with tempfile.TemporaryFile() as said:
        child = os.fork()
        if child == 0:
            code = 71
            try:
                code = run(request["arguments"], request["environment"], request["moment"], said)
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(code)
        while True:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                break
            if time.monotonic() >= until:
                os.kill(child, signal.SIGKILL)
                _, status = os.waitpid(child, 0)
                break
            time.sleep(0.002)
        said.seek(0)
        text = said.read().decode("utf-8", "replace")
    return {"code": os.waitstatus_to_exitcode(status), "seconds": time.monotonic() - began, "said": text}


def main() -> None:
    dbt_runner._import_dbt()
    runner.preload()
    import amkpi.pipeline.closing
    import amkpi.scorecards.mail.delivery  # noqa: F401

    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
