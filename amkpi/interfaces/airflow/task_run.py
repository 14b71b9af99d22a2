"""What every task needs: the run that it is for, a log, and how its errors reach Airflow."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from amkpi.core.errors import AmkpiError, AuditBlocked, NothingLoaded

if TYPE_CHECKING:
    from amkpi.core.agencies import Agency
    from amkpi.core.run import Run
    from amkpi.interfaces.airflow.assets import Assets

Result = TypeVar("Result")

log = logging.getLogger(__name__).info


def run_from_params(agency: Agency | None, params: Mapping[str, Any] | None = None) -> Run:
    """The run of an agency and `as_of`; without `as_of`, AMKPI_AS_OF counts.

    agency: of agencies.toml; None: the one of AMKPI_HOME and AMKPI_LANDING. params: those of a DAG that publishes, or
    what an earlier task of the same run returned (`Run.to_xcom`). A date before that of the current publication makes
    a historical publication, unless the param `current` is set: somebody may have published a later date by hand.
    Raises AmkpiError.
    """
    from amkpi.core.run import Run
    from amkpi.pipeline import steps  # DuckDB and Arrow take a second to import: not while Airflow reads DAG files

    given = params or {}
    as_of = given.get("as_of") or None
    run = Run.prepare(as_of=as_of) if agency is None else Run.of_agency(agency, as_of)
    if "historical" in given:
        return replace(run, historical=given["historical"])
    return replace(run, historical=params is not None and not given.get("current") and steps.is_past(run))


def run_step(step: Callable[..., Result], run: Run, *arguments: Any) -> Result:
    """What a step returns, in the Python of the setting `task_python` if there is one; its progress goes to the log.

    step: a function of `amkpi.pipeline`, whose last argument is the progress. Raises what it raises.
    """
    from amkpi.pipeline import step_process

    python = run.settings.schedule.task_python
    if python:
        return step_process.call(python, step, run, *arguments, progress=log)
    return step(run, *arguments, log)


def request_export(run: Run, assets: Assets, outlet_events: Any) -> None:
    """Wake `amkpi_export_marts` if the settings want an export.

    assets: of the agency. outlet_events: of a task with the outlet `assets.export`.
    """
    from amkpi.pipeline import exports

    try:
        wanted = exports.is_wanted(run)
    except AmkpiError:
        # The marts are published. What is wrong with the settings of the export is told by its own task.
        wanted = True
    if wanted:
        outlet_events[assets.export].add(assets.export_due)


@contextmanager
def raise_as_airflow_error() -> Iterator[None]:
    """Raise the errors of a step as the errors of Airflow, with the same text.

    A blocked audit fails at once: the same rows would be blocked again. Every other AmkpiError is retried: a lock is
    released, a network share comes back, and for a wrong setting the retries are short. Before the first file a task is
    skipped.
    """
    try:
        yield
    except AuditBlocked as blocked:
        raise AirflowFailException(str(blocked)) from blocked
    except NothingLoaded as nothing:
        # A fresh stack waits for its first file.
        raise AirflowSkipException(str(nothing)) from nothing
    except AmkpiError as error:
        raise AirflowException(str(error)) from error
