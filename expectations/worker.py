"""The audit in a process of its own, that imports Great Expectations while the marts are built on the other core.

The import costs 4 to 7 s, a third of what a small agency's run takes. The findings are those of `audit_warehouse`,
which is what the process calls. It ends with the process that started it, however that one ends: it listens to a pipe
from it, which the operating system closes.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from queue import SimpleQueue
from typing import Any, BinaryIO, Self

from amkpi.core.findings import Finding
from amkpi.core.settings import Settings
from amkpi.expectations import runner
from amkpi.expectations.context import Occasion
from amkpi.expectations.runner import Progress

MODULE = "amkpi.expectations.worker"


class AuditorAside:
    """Calls `audit_warehouse` in a process of its own. Nothing is started before `start` or the first call.

    As a context: the process is gone when it is left.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The number of the process, while there is one."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the process, that it may import; does nothing while there is one. Raises OSError if it cannot."""
        if self._process is None:
            # -P: no folder in which somebody happens to stand may give the modules. A session of its own: Ctrl-C is
            # for the command, which ends, and with it this process.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", MODULE],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
            )

    def __call__(self, warehouse: Path, settings: Settings, occasion: Occasion, progress: Progress) -> list[Finding]:
        """The findings of `audit_warehouse`; if the process fails, that nothing could be judged, which blocks.

        The caller has closed the warehouse; when this returns, so has the process. Raises OSError when no process can
        be started.
        """
        self.start()
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            pickle.dump((warehouse, settings, occasion), process.stdin)
            process.stdin.flush()
            while True:
                kind, what = pickle.load(process.stdout)
                if kind == "found":
                    return list(what)
                if kind == "failed":
                    return runner.nothing_could_run(settings, occasion, what)
                progress(what)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)  # to say how it ended, not that we ended it
            self.close()
            code = process.returncode
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            return runner.nothing_could_run(settings, occasion, f"the process of the audit ended with {how}")

    def close(self) -> None:
        """End the process: it holds nothing that would have to be kept."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(BrokenPipeError):  # what nobody can read any more need not be flushed
                    if pipe is not None:
                        pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()


def main() -> None:
    """The process: import, wait to be told what to audit, audit, answer."""
    # Answers have a way of their own: a library that prints must not come between.
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        told: SimpleQueue[Any] = SimpleQueue()
        threading.Thread(target=_listen, args=(sys.stdin.buffer, told), daemon=True).start()

        def say(kind: str, what: Any) -> None:
            pickle.dump((kind, what), answers)
            answers.flush()

        try:
            # Hardly anything that an import makes is garbage, and looking for it takes a tenth of the time.
            gc.disable()
            runner.import_great_expectations()
            gc.freeze()
            gc.enable()
            while True:
                warehouse, settings, occasion = told.get()
                found = runner.audit_warehouse(warehouse, settings, occasion, lambda line: say("progress", line))
                say("found", found)
        except Exception as error:  # noqa: BLE001 - whatever keeps the audit from running must block, and be told
            say("failed", f"{type(error).__name__}: {error}")


def _listen(parent: BinaryIO, told: SimpleQueue[Any]) -> None:
    """Pass on what the parent says, and end with it: without it nobody waits for findings, and who comes next needs
    the warehouse that this process may hold open."""
    with contextlib.suppress(EOFError):
        while True:
            told.put(pickle.load(parent))
    os._exit(1)


if __name__ == "__main__":
    main()
