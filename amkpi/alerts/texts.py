"""What an alert says about each type of incident."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from amkpi.core.language.translator import Message

# Each is the name of a page in docs/operations/runbooks/.
IncidentType = Literal[
    "task-failed",
    "publication-blocked",
    "nightly-late",
    "family-stale",
    "mails-uncertain",
    "landing-stuck",
    "address-shared",
    "disk-low",
]


@dataclass(frozen=True)
class AlertText:
    """The subject of an alert, with `{about}` for which one of its type, and what readers see until it is resolved."""

    subject: Message
    readers: Message


TEXTS: Mapping[IncidentType, AlertText] = {
    "task-failed": AlertText(Message("Task failed: {about}"), Message("Readers keep the last good publication.")),
    "publication-blocked": AlertText(
        Message("Publication blocked"),
        Message("Readers keep the last good publication; nobody is sent a scorecard until there is a newer one."),
    ),
    "nightly-late": AlertText(
        Message("The nightly publication is late"),
        Message("Readers keep the older publication; scorecards that are due since then wait for a newer one."),
    ),
    "family-stale": AlertText(
        Message("No new data: {about}"),
        Message("Publications continue every night, but the KPIs of this family have not changed since that day."),
    ),
    "mails-uncertain": AlertText(
        Message("Scorecards that may not have arrived: {about}"),
        Message("The people named may or may not have their scorecard; nothing is sent again automatically."),
    ),
    "landing-stuck": AlertText(
        Message("Files stay in LANDING"), Message("Publications do not contain the data of these files.")
    ),
    "address-shared": AlertText(
        Message("People share a mail address"),
        Message("None of these people gets a scorecard or can sign in to the pages by mail."),
    ),
    "disk-low": AlertText(
        Message("The disk is almost full"),
        Message("Publications continue until the disk is full. Then readers keep the last good publication."),
    ),
}
# Families of extracts, which `about` may name.
FAMILIES: Mapping[str, Message] = {
    "contract": Message("contract"),
    "project": Message("project"),
    "survey": Message("survey"),
    "reference": Message("reference"),
}
