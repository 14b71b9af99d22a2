"""The events of dbt in this process. It is imported with dbt, which takes seconds."""

from __future__ import annotations

from typing import Any

from dbt_common.events.base_types import BaseEvent, EventLevel
from dbt_common.events.event_manager import EventManager


class EventsOfARun(EventManager):
    """Drops the events for debugging dbt, some 2,000 in a build, before they are made into messages.

    Neither the log nor the progress of a run has them; the messages took a tenth of a small build.
    """

    def fire_event(
        self,
        e: BaseEvent,
        level: EventLevel | None = None,
        node: Any = None,
        force_warn_or_error_handling: bool = False,
    ) -> None:
        """As dbt's, for events of the level `info` and above."""
        if (level or e.level_tag()) not in (EventLevel.DEBUG, EventLevel.TEST) or force_warn_or_error_handling:
            super().fire_event(e, level, node, force_warn_or_error_handling)
