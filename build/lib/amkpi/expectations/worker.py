"""The audit in a separate process, which imports Great Expectations on the other core while the marts are built.

The import takes 4 to 7 s, a third of the run of a small agency. The process calls `audit_warehouse`, so the findings
are the same. It ends together with the process that started it: it reads a pipe from that process, and the operating
system closes the pipe in any case.
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
from amkpi.expectations.context import AuditContext
from amkpi.expectations.runner import Progress

MODULE = "amkpi.expectations.worker"


class AuditWorker:
    """Calls `audit_warehouse` in a separate process, which starts with `start` or with the first call.

    As a context manager, it ends the process on exit.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The id of the process; None if it is not running."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the process, so that it can import; does nothing if it runs already. Raises OSError if it cannot."""
        if self._process is None:
            # -P: no module is imported from the current folder. A new session: Ctrl-C reaches only the command, which
            # ends and thereby ends this process.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", MODULE],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
            )

    def __call__(self, warehouse: Path, settings: Settings, context: AuditContext, progress: Progress) -> list[Finding]:
        """The findings of `audit_warehouse`; if the process fails, one blocking finding that says so.

        The caller has closed the warehouse. On return the process has closed it too. Raises OSError if no process can
        be started.
        """
        self.start()
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            pickle.dump((warehouse, settings, context), process.stdin)
            process.stdin.flush()
            while True:
                kind, content = pickle.load(process.stdout)
                if kind == "findings":
                    return list(content)
                if kind == "error":
                    return [runner.audit_could_not_run(content)]
                progress(content)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)  # so that the exit code is its own, not that of our kill
            self.close()
            code = process.returncode
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            return [runner.audit_could_not_run(f"the audit process ended with {how}")]

    def close(self) -> None:
        """End the process. It holds nothing that must be saved."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(BrokenPipeError):  # unsent bytes cannot be flushed to an ended process
                    if pipe is not None:
                        pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()


def main() -> None:
    """The process: import, wait for requests, run an audit for each, and send the findings."""
    # The answers get their own file descriptor, so that a library that prints cannot damage them.
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        requests: SimpleQueue[Any] = SimpleQueue()
        threading.Thread(target=_receive, args=(sys.stdin.buffer, requests), daemon=True).start()

        def send(kind: str, content: Any) -> None:
            pickle.dump((kind, content), answers)
            answers.flush()

        try:
            # An import creates hardly any garbage, and the search for it takes a tenth of the time.
            gc.disable()
            runner.preload()
            gc.freeze()
            gc.enable()
            while True:
                warehouse, settings, context = requests.get()
                findings = runner.audit_warehouse(warehouse, settings, context, lambda line: send("progress", line))
                send("findings", findings)
        except Exception as error:  # noqa: BLE001 - any error that stops the audit must block, and be reported
            send("error", f"{type(error).__name__}: {error}")


def _receive(parent: BinaryIO, requests: SimpleQueue[Any]) -> None:
    """Queue the requests of the parent, and exit when it ends.

    Without it nobody waits for the findings, and the next process needs the warehouse that this one may hold open.
    """
    with contextlib.suppress(EOFError):
        while True:
            requests.put(pickle.load(parent))
    os._exit(1)


if __name__ == "__main__":
    main()
