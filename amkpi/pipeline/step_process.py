"""A step of the pipeline in another Python: the one of the setting `task_python`, which has dbt and Great Expectations.

So an Airflow can have the DAGs without the packages that the steps need. The other process imports the step by its
name, runs it, and sends its progress and its result. It ends together with the process that started it: it reads a pipe
from that process, and the operating system closes the pipe in any case.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, BinaryIO, TypeVar

from amkpi.core.errors import AmkpiError
from amkpi.core.publication_id import pipeline_version
from amkpi.core.run import Progress

MODULE = "amkpi.pipeline.step_process"

Result = TypeVar("Result")


def call(python: str, step: Callable[..., Result], *arguments: Any, progress: Progress) -> Result:
    """What `step(*arguments, progress)` returns when that Python runs it; its errors are raised here.

    step: a function of a module of amkpi. arguments and result: what pickle can carry. Raises AmkpiError where the
    process cannot be started, has another version of amkpi, or ends without a result.
    """
    try:
        # -P: no module is imported from the current folder.
        process = subprocess.Popen([python, "-P", "-m", MODULE], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    except OSError as error:
        raise AmkpiError(f"setting task_python: {python} cannot be started: {error.strerror}") from error
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        kind, content = pickle.load(process.stdout)
        if content != pipeline_version():
            raise AmkpiError(
                f"setting task_python: {python} has amkpi {content}, and here it is {pipeline_version()}: install the"
                " same wheel in both"
            )
        pickle.dump((step, arguments), process.stdin)
        process.stdin.flush()
        while True:
            kind, content = pickle.load(process.stdout)
            if kind == "result":
                return content  # type: ignore[no-any-return]
            if kind == "error":
                raise content
            progress(content)
    except (EOFError, BrokenPipeError, pickle.UnpicklingError) as error:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)  # so that the exit code is its own, not that of our kill
        code = process.returncode
        how = "no end" if code is None else f"signal {-code}" if code < 0 else f"exit code {code}"
        raise AmkpiError(
            f"setting task_python: the step ended in {python} with {how}; the lines above in the log say why"
        ) from error
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(BrokenPipeError):  # unsent bytes cannot be flushed to an ended process
                if pipe is not None:
                    pipe.close()


def main() -> None:
    """The process: say the version, run one step, send its result."""
    # The answers get their own file descriptor, so that a library that prints cannot damage them.
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)

        def send(kind: str, content: Any) -> None:
            pickle.dump((kind, content), answers)
            answers.flush()

        send("version", pipeline_version())
        requests: SimpleQueue[Any] = SimpleQueue()
        threading.Thread(target=_receive, args=(sys.stdin.buffer, requests), daemon=True).start()
        step, arguments = requests.get()
        try:
            result = step(*arguments, lambda line: send("progress", line))
        except AmkpiError as error:
            send("error", error)
        else:
            send("result", result)


def _receive(parent: BinaryIO, requests: SimpleQueue[Any]) -> None:
    """Queue the request of the parent, and exit when it ends: the lock of HOME must not outlive the task."""
    with contextlib.suppress(EOFError):
        while True:
            requests.put(pickle.load(parent))
    os._exit(1)


if __name__ == "__main__":
    main()
