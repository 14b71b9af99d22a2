"""`close_period` through Airflow: approved, refused, without an answer, by hand, and overtaken by a new publication."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest

from amkpi.core.home import Home
from amkpi.core.language.periods import Period
from amkpi.core.settings import load_settings
from amkpi.pipeline import closing
from amkpi.publishing.closing import acts, approval
from amkpi.publishing.closing.acts import Request
from amkpi.publishing.closing.approval import Question
from tests.dags.test_dags import asset_events, hurry, states

pytestmark = pytest.mark.slow  # the first import of Airflow costs 7 s, its database 4 s

SHOWN = "00112233445566aa"
Answer = Literal["Approve", "Reject", "nobody"]


@pytest.fixture
def asked(home: Path, monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """A home in which the third quarter is due; gives the requests to close it that came through."""
    Home.at(home).make()
    closed: list[Request] = []

    def close(run: Any, request: Request, progress: Any) -> Any:
        closed.append(request)
        return SimpleNamespace(
            act=SimpleNamespace(period=request.period, n=1), published=SimpleNamespace(publication_id="new")
        )

    question = Question("2026-Q3", SHOWN, "Close 2026-Q3 as of 17/10/2026?", "| who | score |")
    monkeypatch.setattr(closing, "close", close)
    monkeypatch.setattr(acts, "current", lambda home: SimpleNamespace(publication_id=SHOWN))
    monkeypatch.setattr(approval, "ask", lambda home, period: question)
    monkeypatch.setattr(approval, "current_file", lambda home: home.published)
    monkeypatch.setenv("AMKPI_CLOSE_AFTER_DAYS", "10")
    return closed


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], list[tuple[str, str]]]:
    """While Airflow waits for an answer, it gets this one, as its own API and its own scheduler give it."""

    def answer_with(answer: Answer) -> list[tuple[str, str]]:
        shown: list[tuple[str, str]] = []

        def answer_now(seconds: float) -> None:
            from airflow.models.taskinstance import TaskInstance
            from airflow.models.trigger import handle_event_submit
            from airflow.triggers.base import TriggerEvent
            from airflow.utils.session import create_session
            from sqlalchemy import select
            from sqlalchemy.orm import joinedload

            with create_session() as session:
                parked = select(TaskInstance).where(TaskInstance.state == "awaiting_input")
                waiting = session.scalars(parked.options(joinedload(TaskInstance.hitl_detail))).first()
                if waiting is None:
                    return
                detail = waiting.hitl_detail
                shown.append((detail.subject, detail.body))
                if answer == "nobody":
                    waiting.trigger_timeout = datetime.now(UTC) - timedelta(minutes=1)
                else:
                    detail.responded_by = {"id": "7", "name": "lan.nguyen"}
                    detail.responded_at = datetime.now(UTC)
                    detail.chosen_options = [answer]
                    detail.params_input = {}
                    session.flush()
                    handle_event_submit(
                        TriggerEvent(detail.as_resume_event_payload()), task_instance=waiting, session=session
                    )
            if answer == "nobody":
                from airflow.jobs.job import Job
                from airflow.jobs.scheduler_job_runner import SchedulerJobRunner

                SchedulerJobRunner(Job()).check_awaiting_input_timeouts()

        # `dag.test` looks every second whether an answer has come.
        monkeypatch.setattr("time.sleep", answer_now)
        return shown

    return answer_with


def run(bag: Any, **conf: str) -> dict[str, str | None]:
    return states(hurry(bag.dags["amkpi_close_period"]).test(run_conf=conf))


def due(home: Path) -> Period | None:
    place = Home.at(home)
    return approval.due(place, load_settings(place, {"AMKPI_CLOSE_AFTER_DAYS": "10"}), date(2026, 10, 17))


def test_what_is_approved_is_closed_by_the_login_of_who_approved_it(
    bag: Any, home: Path, asked: list[Request], answered: Callable[[Answer], list[tuple[str, str]]]
) -> None:
    shown = answered("Approve")
    before = len(asset_events())
    result = run(bag)
    assert shown == [("Close 2026-Q3 as of 17/10/2026?", "| who | score |")]
    assert asked == [Request("2026-Q3", "lan.nguyen", "approved in Airflow", publication_id=SHOWN)]
    assert (result["ask"], result["close_approved"], result["close_by_hand"]) == ("success", "success", "skipped")
    assert {name for name, _ in asset_events()[before:]} == {"amkpi_marts", "amkpi_closing_answered"}
    assert due(home) is not None


def test_what_is_refused_is_not_closed_and_not_asked_again(
    bag: Any, home: Path, asked: list[Request], answered: Callable[[Answer], list[tuple[str, str]]]
) -> None:
    answered("Reject")
    result = run(bag)
    assert asked == []
    assert (result["ask"], result["close_approved"]) == ("success", "skipped")
    assert due(home) is None
    again = run(bag)
    assert again["choose"] == "skipped"
    assert again["ask"] == "skipped"


def test_without_an_answer_the_operator_is_told_and_it_is_asked_again(
    bag: Any, home: Path, asked: list[Request], answered: Callable[[Answer], list[tuple[str, str]]]
) -> None:
    from amkpi.alerts.store import AlertStore

    answered("nobody")
    result = run(bag)
    assert asked == []
    assert (result["ask"], result["close_approved"]) == ("failed", "upstream_failed")
    incidents = [alert.incident for alert in AlertStore(Home.at(home)).open_alerts()]
    assert [(incident.type, incident.about, incident.facts) for incident in incidents] == [
        (
            "task-failed",
            "close_period.ask",
            "nobody answered in time: Close 2026-Q3 as of 17/10/2026? It is asked again tomorrow morning",
        )
    ]
    assert due(home) is not None
    answered("Approve")
    assert run(bag)["close_approved"] == "success"
    assert len(asked) == 1


def test_a_publication_that_was_not_shown_is_not_closed_and_it_is_asked_anew(
    bag: Any, asked: list[Request], answered: Callable[[Answer], list[tuple[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    answered("Approve")
    monkeypatch.setattr(acts, "current", lambda home: SimpleNamespace(publication_id="another"))
    before = len(asset_events())
    assert run(bag)["close_approved"] == "success"
    assert asked == []
    assert "amkpi_closing_answered" in {name for name, _ in asset_events()[before:]}


def test_who_names_a_period_closes_it_without_a_question(
    bag: Any, asked: list[Request], answered: Callable[[Answer], list[tuple[str, str]]]
) -> None:
    shown = answered("nobody")
    result = run(bag, period="2026-Q2", by="Bình", note="paid on 15 July")
    assert shown == []
    assert asked == [Request("2026-Q2", "Bình", "paid on 15 July")]
    assert (result["close_by_hand"], result["ask"], result["close_approved"]) == ("success", "skipped", "skipped")
