"""What the tasks of the DAG `amkpi_close_period` do with an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from amkpi.core.run import Run
from amkpi.interfaces.airflow.task_run import log, run_step


def login(answer: Mapping[str, Any]) -> str:
    """The login of who answered."""
    user = answer["responded_by_user"] or {}
    return str(user.get("name") or user.get("id") or "unknown")


def question(run: Run) -> dict[str, str] | None:
    """What a person is asked now: period, publication_id, subject and body; None without a period that is due.

    Raises AmkpiError.
    """
    from amkpi.publishing.closing import approval

    period = approval.due(run.home, run.settings, run.as_of)
    return None if period is None else asdict(approval.ask(run.home, period))


def remember_if_refused(run: Run, period: str, answer: Mapping[str, Any]) -> None:
    """Remember a refusal, so that nobody is asked again. Raises AmkpiError."""
    from amkpi.publishing.closing import approval

    if list(answer["chosen_options"]) == ["Reject"]:
        approval.refuse(run.home, period, login(answer), run.now())


def close_and_report(run: Run, period: str, by: str, note: str, publication_id: str | None = None) -> dict[str, str]:
    """Close a period and say what is published now.

    publication_id: the publication that was approved; where another one is current, nothing is closed. Raises
    AmkpiError and AuditBlocked.
    """
    from amkpi.pipeline import closing
    from amkpi.publishing.closing import acts
    from amkpi.publishing.closing.acts import Request

    if publication_id is not None and acts.current(run.home).publication_id != publication_id:
        log(f"{period} was approved as of publication {publication_id}, and another one is current: asked again")
        return {"period": period, "asked_again": "yes"}
    report = run_step(closing.close, run, Request(period, by, note, publication_id=publication_id))
    return {"period": report.act.period, "n": str(report.act.n), "publication": report.published.publication_id}
