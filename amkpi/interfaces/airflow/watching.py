"""What the DAG `amkpi_watch_over` does for each agency: look for incidents, and sweep."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias, TypeVar

from amkpi.core.agencies import Agency, current_agencies, group_agencies
from amkpi.core.errors import AmkpiError
from amkpi.interfaces.airflow.callbacks import has_failed, mail_server
from amkpi.interfaces.airflow.names import name_for
from amkpi.interfaces.airflow.task_run import log, run_from_params

Result = TypeVar("Result")
# The codes of some agencies.
AgencyPart: TypeAlias = Sequence[str]

# Agencies that one task looks at. A task for each would start 500 processes every ten minutes; one for all would leave
# all alone when it is killed.
PART = 25


def parts_by_queue() -> Mapping[str | None, Sequence[AgencyPart]] | None:
    """The codes of the agencies in parts, by the queue of the worker that has their HOMEs; None without AMKPI_AGENCIES.

    Raises AmkpiError.
    """
    group = current_agencies()
    if group is None:
        return None
    codes: dict[str | None, list[str]] = {}
    for agency in group.agencies:
        codes.setdefault(agency.queue, []).append(agency.code)
    return {queue: [each[start : start + PART] for start in range(0, len(each), PART)] for queue, each in codes.items()}


def look_at(agency: Agency | None) -> int:
    """Compare the facts with the open incidents, and mail the difference; returns how many are open.

    Raises AmkpiError.
    """
    from amkpi.alerts import notify

    return len(notify.monitor(run_from_params(agency), mail_server, log, partial(has_failed, agency)))


def look_at_each(codes: AgencyPart) -> int:
    """`look_at` for each of these agencies. Raises AmkpiError that names those where it failed, after the last one."""
    found, failed = for_each(look_at, codes)
    if failed:
        raise AmkpiError(failed)
    return sum(found.values())


def waiting_of(codes: AgencyPart) -> list[Agency]:
    """Those of these agencies where files or rows wait. Where it cannot be seen, the log says why."""
    found, failed = for_each(_is_waiting, codes)
    if failed:
        # The tasks of that agency tell its operator; an error here would take the events of the others.
        log(failed)
    return [_agency(code) for code, waits in found.items() if waits]


def _is_waiting(agency: Agency) -> bool:
    from amkpi.pipeline.waiting import is_anything_waiting

    return is_anything_waiting(run_from_params(agency).home) and not _has_runs(agency)


def _has_runs(agency: Agency) -> bool:
    """Whether a load or a build of the agency runs or has its turn to come: then nothing was lost."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    return any(
        RuntimeTaskInstance.get_dr_count(dag_id=name_for(name, agency), states=["queued", "running"])
        for name in ("load_extracts", "build_marts")
    )


def for_each(act: Callable[[Agency], Result], codes: AgencyPart) -> tuple[dict[str, Result], str]:
    """What an act returns for each agency, by its code; and one line about those where it failed, empty if none did.

    Whatever fails for one agency, the others have their turn.
    """
    results, failed = {}, []
    for code in codes:
        try:
            results[code] = act(_agency(code))
        except Exception as error:  # noqa: BLE001 - the next agency must not suffer from it
            failed.append(f"{code}: {' '.join(str(error).split()) or type(error).__name__}")
    return results, "; ".join(failed)


def _agency(code: str) -> Agency:
    return group_agencies().of_code(code)
