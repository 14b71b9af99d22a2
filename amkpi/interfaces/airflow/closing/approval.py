"""The operator that asks a person whether a period is to be closed, and waits for the answer."""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk.exceptions import AirflowFailException

from amkpi.interfaces.airflow.names import agency_of
from amkpi.interfaces.airflow.task_run import raise_as_airflow_error, run_from_params


class AskToClose(ApprovalOperator):  # type: ignore[misc]  # Airflow's operators have no types
    """Airflow's approval. A refusal is stored. If nobody answers, the task fails and says when it asks again.

    The task `choose` gives what is asked.
    """

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        """Take the answer. Airflow skips the next tasks after a refusal and keeps no result, so it is stored here."""
        from amkpi.interfaces.airflow.closing.answers import remember_if_refused

        if "chosen_options" in event:
            with raise_as_airflow_error():
                ti = context["ti"]
                run = run_from_params(agency_of(ti.dag_id))
                remember_if_refused(run, ti.xcom_pull(task_ids="choose")["period"], event)
        return super().execute_complete(context, event)

    def process_trigger_event_error(self, event: dict[str, Any]) -> None:
        """Fail with a one-line message for the operator. Raises AirflowFailException."""
        if event.get("error_type") == "timeout":
            raise AirflowFailException(f"nobody answered in time: {self.subject} It is asked again tomorrow morning")
        super().process_trigger_event_error(event)
