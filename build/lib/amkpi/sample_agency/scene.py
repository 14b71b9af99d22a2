"""What all parts that write records of a block share."""

import math
import random
from dataclasses import dataclass

from amkpi.sample_agency.clients import Client
from amkpi.sample_agency.currency import Rates
from amkpi.sample_agency.landing import Landing
from amkpi.sample_agency.people import Org
from amkpi.sample_agency.timeline import Day, Window


def chance(base: float, form: float) -> float:
    """A probability: `base` for form 0, moved by the form on the logistic scale; 0 stays 0."""
    if base <= 0.0:
        return 0.0
    return 1.0 / (1.0 + (1.0 / base - 1.0) * math.exp(-form))


@dataclass(frozen=True)
class Scene:
    """The window, the people, the rates, and where the rows go."""

    window: Window
    org: Org
    rates: Rates
    landing: Landing

    def doer(self, client: Client, day: Day, rng: random.Random, delegated: float) -> tuple[str, str]:
        """Who does something for a client on a day, and what the record's owner column says.

        `delegated` is the probability that an executive of the manager's team does it. If the client's manager
        does it, the owner is empty in three of ten cases: the credit goes to the same person. Without a manager the
        group account director does it, and the owner is empty.
        """
        manager = client.manager(day)
        if manager is None:
            return self.org.cast.group_director, ""
        if rng.random() < delegated:
            executives = self.org.executives(manager, day)
            if executives:
                executive = rng.choice(executives)
                return executive, executive
        return manager, "" if rng.random() < 0.3 else manager
