"""Send the scorecards that are due: each week the month to date, and each month, quarter and year after its end.

**Which.** The settings `cadences`, `week_after_days`, `close_after_days`, `quarter_after_days` and `year_after_days` of
`[scorecards]`.

**When.** Every day at 07:00 in AMKPI_TIMEZONE, and when new marts are published: scorecards that were due while the
publication was blocked are sent as soon as there is a good one. Nobody gets the same scorecard twice, however often
this runs: HOME/state/ has what was sent. A run that finds nothing due is *skipped*. So is one that holds all mails
back: the publication is too old, is from before the day on which they were due, or an audit blocked a newer one. That
raises an incident of its own, and the next publication starts this DAG again. By hand: `amkpi scorecards --send`.

**Needs.** An Airflow connection `amkpi_smtp`: host, port, login, password; extra `{"security": "starttls"}`, `"tls"` or
`"none"`, and `"ca_file"` where the server's authority is the agency's own.

**When it fails.** The last line of the task's log says what, where and how to fix it.

- *deferred*: the server did not accept a mail now, or cannot be reached. The retries and every later run try again.
- *uncertain*: the connection broke before the server's answer. It is not sent again by itself: ask the reader, then
  `amkpi scorecards --send --resend STAFF_ID`.
- *refused*: correct the address in the staff extract; the next run takes the new one.

**What readers see meanwhile.** The last scorecard they got.
"""

# Airflow's decorators have no types that mypy could follow.
# mypy: allow-untyped-decorators

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import AssetOrTimeSchedule, dag, task
from airflow.sdk.exceptions import AirflowException, AirflowSkipException

from amkpi.interfaces.airflow.assets import assets_of
from amkpi.interfaces.airflow.names import ServedAgency, agencies_served
from amkpi.interfaces.airflow.schedules import daily
from amkpi.interfaces.airflow.task_defaults import dag_arguments, default_args
from amkpi.interfaces.airflow.task_run import log, raise_as_airflow_error, run_from_params

if TYPE_CHECKING:
    from amkpi.scorecards.mail.report import MailOutcome

# What a run returns to Airflow as its counts.
COUNTED: tuple[MailOutcome, ...] = ("sent", "sent_before", "uncertain")


def send_scorecards(agency: ServedAgency) -> None:
    """The DAG of an agency; None: the only one of this Airflow."""

    @dag(
        **dag_arguments("send_scorecards", agency, __doc__, "scorecards"),
        schedule=AssetOrTimeSchedule(timetable=daily(7, 0, agency), assets=assets_of(agency).marts),
        # It only reads the published file, so it does not need the slot of the writer.
        default_args=default_args(agency, writes=False),
    )
    def define() -> None:
        @task
        def send() -> dict[str, int]:
            """Send what is due, once. Fails when somebody's mail was deferred, so that the retries try again."""
            from zoneinfo import ZoneInfo

            from airflow.sdk import Connection

            from amkpi.scorecards.mail import delivery
            from amkpi.scorecards.mail.operator_mail import log_lines
            from amkpi.scorecards.mail.options import options_of
            from amkpi.scorecards.mail.schedule import due
            from amkpi.scorecards.mail.smtp import server_of

            reports = []
            with raise_as_airflow_error():
                run = run_from_params(agency)
                if not run.home.current.exists():
                    raise AirflowSkipException("nothing is published yet; the first publication starts this DAG")
                options = options_of(run.settings)
                wanted = due(run.now().astimezone(ZoneInfo(run.settings.timezone)), options)
                if not wanted:
                    raise AirflowSkipException("no scorecards are due")
                server = server_of(Connection.get("amkpi_smtp"))
                for each in wanted:
                    reports.append(
                        delivery.send(
                            run, server, each.grain, each.period, since=each.since, options=options, progress=log
                        )
                    )
                    for line in log_lines(reports[-1]):
                        log(line)
            waiting = [report for report in reports if report.count("deferred")]
            if waiting:
                raise AirflowException("; ".join(line for report in waiting for line in log_lines(report)))
            if all(report.held for report in reports):
                # A retry would not change it, and `amkpi_watch_over` mails the operator the reason.
                raise AirflowSkipException("; ".join(report.held for report in reports))
            return {outcome: sum(report.count(outcome) for report in reports) for outcome in COUNTED}

        send()

    define()


for each in agencies_served():
    send_scorecards(each)
