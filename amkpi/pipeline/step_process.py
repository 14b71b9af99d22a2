"""A step of the pipeline in another Python: the one of the setting `task_python`, which has dbt and Great Expectations.

So an Airflow can have the DAGs without the packages that the steps need. The other process imports the step by its
name, runs it, and sends its progress and its result.
"""

from __future__ import annotations

import pickle
import subprocess
from collections.abc import Callable
from typing import Any, TypeVar

from amkpi.core.errors import AmkpiError
from amkpi.core.processes import child
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
        how = child.how_it_ended(process)
        raise AmkpiError(
            f"setting task_python: the step ended in {python} with {how}; the lines above in the log say why"
        ) from error
    finally:
        child.end(process)


def main() -> None:
    """The process: say the version, run one step, send its result."""
    with child.answers() as send:
        send("version", pipeline_version())
        step, arguments = child.requests().get()
        try:
            result = step(*arguments, lambda line: send("progress", line))
        except AmkpiError as error:
            send("error", error)
        else:
            send("result", result)


if __name__ == "__main__":
    main()
