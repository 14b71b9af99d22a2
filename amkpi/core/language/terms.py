"""Words that mails and `amkpi explain` share, by the code that the marts have for them."""

from __future__ import annotations

from collections.abc import Mapping

from amkpi.core.language.translator import Message

# `status` of scorecard_lines; `still_open` instead of off_target where undecided records can still reach the target.
STATUS: Mapping[str, Message] = {
    "on_target": Message("On target"),
    "at_risk": Message("At risk"),
    "off_target": Message("Off target"),
    "still_open": Message("Still open"),
    "no_target": Message("No target"),
    "no_data": Message("No data"),
}
# `null_reason` of kpi_values.
NO_VALUE: Mapping[str, Message] = {
    "no_opening_clients": Message("no client at the start of the period"),
    "nothing_due": Message("no project was due"),
    "no_responses": Message("no survey was answered"),
    "no_proposals": Message("no proposal was sent"),
    "nothing_delivered": Message("no project with budget and costs was delivered"),
    "no_reviews": Message("no review was given"),
    "too_few_raters": Message("too few reviewers to show a value"),
    "period_running": Message("shown when the period is over"),
}
