"""Puts the sample agency together and writes it."""

import math
import random
from datetime import date
from pathlib import Path

from amkpi.sample_agency.clients import assignment_rows, client_rows, gather_clients
from amkpi.sample_agency.currency import Rates
from amkpi.sample_agency.deals import CancellationsDue, Deals
from amkpi.sample_agency.landing import Landing, open_landing
from amkpi.sample_agency.names import Directory
from amkpi.sample_agency.people import Org, hire_block, hire_chief, staff_rows
from amkpi.sample_agency.reviews import review_everybody
from amkpi.sample_agency.scene import Scene
from amkpi.sample_agency.targets import target_rows
from amkpi.sample_agency.timeline import Window
from amkpi.sample_agency.work import deliver

# People are hired up to four years before the first month.
_EARLIEST_YEAR = 1950


def write_sample(
    directory: Path, *, seed: int = 7, months: int = 24, scale: float = 1.0, as_of: date
) -> dict[str, int]:
    """Writes a made-up agency as `directory/<extract>/<extract>.csv` and returns the rows of each extract.

    The data covers `months` calendar months that end with as_of's month. At `scale` 1 there are about 30 account
    people and 80 clients; people, clients and their records grow with it. The same arguments give the same bytes, and
    two as_of dates of one month show the same agency at two moments. Every row is valid. Memory does not grow with
    `scale`: the agency is made of blocks, written one after the other.

    Raises ValueError for months < 1, a scale that is no number above 0, or months that begin before 1950. A sample
    that cannot be written to its end (disk full) leaves earlier files as they were.
    """
    if months < 1 or not scale > 0 or math.isinf(scale):
        raise ValueError(f"months must be at least 1 and scale a number above 0, not {months} and {scale}")
    if as_of.year * 12 + as_of.month - months < _EARLIEST_YEAR * 12:
        raise ValueError(f"{months} months before {as_of} begin before {_EARLIEST_YEAR}: ask for fewer months")
    window = Window.ending(as_of, months)
    rates = Rates(seed, window)
    with open_landing(directory) as landing:
        for row in rates.rows():
            landing.add("fx_rates", row)
        names = Directory()
        chief = hire_chief(random.Random(f"{seed}:chief"), landing, names, window)
        for row in staff_rows({chief.staff_id: chief}, window):
            landing.add("staff", row)
        number, rest = 0, scale
        while number == 0 or rest > 1e-9:
            size = min(1.0, rest)
            org = _write_block(landing, window, rates, names, seed, number, size, chief.staff_id)
            if number == 0:
                for row in target_rows(org, window, scale):
                    landing.add("kpi_targets", row)
            number, rest = number + 1, rest - size
        return dict(landing.rows)


def _write_block(
    landing: Landing, window: Window, rates: Rates, names: Directory, seed: int, number: int, size: float, chief: str
) -> Org:
    """One group account director with all people below, their clients and all their records."""
    rng = random.Random(f"{seed}:{number}")
    org = hire_block(rng, landing, names, window, size, number, chief)
    clients = gather_clients(rng, landing, window, org, size, number)
    for extract, rows in (
        ("staff", staff_rows(org.people, window)),
        ("clients", client_rows(clients)),
        ("client_assignments", assignment_rows(clients, window)),
    ):
        for row in rows:
            landing.add(extract, row)
    scene = Scene(window, org, rates, landing)
    cancellations = CancellationsDue.one_of_each() if number == 0 else CancellationsDue()
    for client in clients:
        # Each client has its own generator: a change for one client does not change the others.
        own = random.Random(f"{seed}:{client.client_id}")
        deals = Deals(scene, client, own, cancellations)
        deals.play()
        deliver(scene, client, deals.contracts, own)
    review_everybody(scene, random.Random(f"{seed}:{number}:reviews"))
    return org
