"""Peer reviews of the account people by other departments."""

import random
from dataclasses import dataclass

from amkpi.sample_agency.people import ACCOUNT_ROLES, EXECUTIVE, Person
from amkpi.sample_agency.scene import Scene
from amkpi.sample_agency.timeline import Day, busy_day, iso, month_at, month_season

# Planning scores from 0 to 10, everybody else from 1 to 5.
_TEN_POINT_DEPARTMENT = "planning"


@dataclass(frozen=True)
class _Reviewer:
    person: Person
    # How much kinder than others, as a share of the scale.
    kindness: float


def review_everybody(scene: Scene, rng: random.Random) -> None:
    """Managers and directors are reviewed every month, executives in the last month of each quarter."""
    window, org = scene.window, scene.org
    reviewers = [
        _Reviewer(person, rng.gauss(0, 0.04)) for person in org.people.values() if person.department != "account"
    ]
    for index in range(window.first_month, window.last_month + 1):
        month = month_at(index)
        # Around Tết fewer people find the time.
        is_quiet = month_season(index) < 0.75
        for person in org.people.values():
            post = org.post(person.staff_id, month.first + 14)
            if post is None or not post.is_active or post.role not in ACCOUNT_ROLES:
                continue
            if post.role == EXECUTIVE:
                if month.number % 3 != 0 and rng.random() > 0.12:
                    continue
                count = 2 + int(rng.random() * 4)
            else:
                count = (2 if is_quiet else 4) + int(rng.random() * 3)
            for reviewer in rng.sample(reviewers, min(count, len(reviewers))):
                _review(scene, rng, person, reviewer, busy_day(rng, month))


def _review(scene: Scene, rng: random.Random, person: Person, reviewer: _Reviewer, day: Day) -> None:
    # A good team is also good to work with, but colleagues judge more mildly than clients.
    level = 0.755 + 0.055 * scene.org.form(person.staff_id, day) + reviewer.kindness
    low, high = (0, 10) if reviewer.person.department == _TEN_POINT_DEPARTMENT else (1, 5)
    scores = [
        str(min(high, max(low, round(low + (high - low) * rng.gauss(level, 0.16))))) for _ in ("teamwork", "management")
    ]
    roll = rng.random()
    if roll < 0.06:
        scores[int(roll < 0.03)] = ""
    elif roll < 0.07:
        scores = ["", ""]
    review_id = scene.landing.new_id("peer_reviews")
    if day > scene.window.as_of:
        return
    scene.landing.add(
        "peer_reviews",
        (
            review_id, person.staff_id, reviewer.person.staff_id, reviewer.person.department,
            iso(day), *scores, str(low), str(high),
        ),
    )  # fmt: skip
