"""When the stories of a block happen."""

import random
from dataclasses import dataclass

from amkpi.sample_agency.timeline import Day, Window, month_at, months_later


@dataclass(frozen=True)
class Stories:
    """The days of what happens to people; each is the first of a month.

    handover: a manager gives two clients to a colleague. reorganisation: a manager moves under another director.
    promotion: an executive becomes account manager. manager_leaves: a manager leaves and the clients move.
    trouble: from here on one director's team does badly. new_hire: an account manager begins.
    """

    handover: Day
    reorganisation: Day
    promotion: Day
    executive_leaves: Day
    leave_begins: Day
    leave_ends: Day
    manager_leaves: Day
    trouble: Day
    new_hire: Day

    @classmethod
    def drawn(cls, rng: random.Random, window: Window) -> "Stories":
        """Spreads the stories over the window; the trouble fills the last six months, the hire is two months old."""

        def about(share: float) -> Day:
            return window.at(share + (rng.random() - 0.5) * 0.06)

        leave_begins = about(0.3)
        return cls(
            handover=about(0.38),
            reorganisation=about(0.46),
            promotion=about(0.54),
            executive_leaves=about(0.6),
            leave_begins=leave_begins,
            leave_ends=max(about(0.5), months_later(leave_begins, 1)),
            manager_leaves=about(0.68),
            trouble=month_at(max(window.first_month + 1, window.last_month - 6)).first,
            new_hire=month_at(max(window.first_month + 1, window.last_month - 2)).first,
        )
