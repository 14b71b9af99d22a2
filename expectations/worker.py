"""The audit in a separate process, which imports Great Expectations on the other core while the marts are built.

The import takes 4 to 7 s, a third of the run of a small agency. The process calls `audit_warehouse`, so the findings
are the same.
"""

from __future__ import annotations

import gc
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Self

from amkpi.core.findings import Finding
from amkpi.core.processes import child
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
            how = child.how_it_ended(process)
            self.close()
            return [runner.audit_could_not_run(f"the audit process ended with {how}")]

    def close(self) -> None:
        """End the process. It holds nothing that must be saved."""
        process, self._process = self._process, None
        if process is not None:
            child.end(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()


def main() -> None:
    """The process: import, wait for requests, run an audit for each, and send the findings."""
    with child.answers() as send:
        requests = child.requests()
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


if __name__ == "__main__":
    main()
