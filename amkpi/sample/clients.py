"""The clients of one block: who they are, how they came, and who looks after them when."""

import random
from dataclasses import dataclass
from enum import Enum

from amkpi.sample.currency import REPORTING
from amkpi.sample.landing import Landing
from amkpi.sample.names import FOREIGN_CLIENTS, Company, companies
from amkpi.sample.people import Org
from amkpi.sample.timeline import Day, Window, iso


class Entry(Enum):
    """How a client came."""

    FROM_THE_START = "served before the first month; its retainer is renewed in it"
    WON = "won within the window"
    PROSPECT = "pitched for, never won"


@dataclass(frozen=True)
class Assignment:
    """Who looks after a client from a day on; `valid_to` only where nobody follows at once."""

    valid_from: Day
    manager_id: str
    valid_to: Day | None = None


@dataclass(frozen=True)
class Client:
    """A client of the agency. `fee` is what it spends in an ordinary month, in VND."""

    client_id: str
    company: Company
    currency: str
    fee: float
    entry: Entry
    entry_month: int
    assignments: tuple[Assignment, ...]

    def manager(self, day: Day) -> str | None:
        """The client's manager on a day."""
        held = None
        for assignment in self.assignments:
            if assignment.valid_from <= day:
                held = assignment
        if held is None or (held.valid_to is not None and held.valid_to < day):
            return None
        return held.manager_id


@dataclass(frozen=True)
class _Move:
    """On a day, clients of one person pass to others in turn; at most `limit` of them; the last after a gap."""

    day: Day
    from_id: str
    to_ids: tuple[str, ...]
    limit: int
    gap_days: int = 0


def _moves(org: Org) -> list[_Move]:
    cast, stories = org.cast, org.stories
    moves = []
    if cast.gives_clients != cast.takes_clients:
        moves.append(_Move(stories.handover, cast.gives_clients, (cast.takes_clients,), 2))
    if cast.promoted:
        away = org.people[cast.on_leave_executive].posts[0].manager_id
        left = org.people[cast.leaving_executive].posts[0].manager_id
        moves += [
            _Move(stories.leave_begins, cast.on_leave_executive, (away,), 9),
            _Move(stories.promotion, cast.promoted_beside, (cast.promoted,), 3),
            _Move(stories.executive_leaves, cast.leaving_executive, (left,), 9),
            _Move(stories.manager_leaves, cast.leaver, (cast.promoted, cast.promoted_beside), 99, gap_days=17),
        ]
    if cast.new_hire:
        givers = (cast.promoted_beside, cast.reorganised) if cast.promoted else cast.managers[-2:]
        moves += [_Move(stories.new_hire, giver, (cast.new_hire,), 2) for giver in givers]
    return sorted(moves, key=lambda move: move.day)


def _first_managers(org: Org, count: int) -> list[str]:
    """Who has which client at first: a few the directors, two thirds the managers, small ones the executives."""
    cast = org.cast
    directing = [*cast.directors, cast.group_director]
    of_directors = round(0.075 * count)
    of_executives = round(0.25 * count)
    of_managers = count - of_directors - of_executives
    return [
        *(directing[index % len(directing)] for index in range(of_directors)),
        *(cast.managers[index % len(cast.managers)] for index in range(of_managers)),
        *(cast.executives[index % len(cast.executives)] for index in range(of_executives)),
    ]


def _histories(org: Org, window: Window, managers: list[str]) -> list[list[Assignment]]:
    histories = []
    for manager in managers:
        began = max(window.first - 400, org.people[manager].posts[0].valid_from)
        histories.append([Assignment(began, manager)])
    for move in _moves(org):
        theirs = [history for history in histories if history[-1].manager_id == move.from_id][: move.limit]
        for turn, history in enumerate(theirs):
            taker = move.to_ids[turn % len(move.to_ids)]
            has_gap = move.gap_days > 0 and turn == len(theirs) - 1
            if has_gap:
                # Nobody has the client for a while: what happens then counts for the company alone.
                history[-1] = Assignment(history[-1].valid_from, history[-1].manager_id, move.day - 1)
            history.append(Assignment(move.day + (move.gap_days if has_gap else 0), taker))
    return histories


def gather_clients(
    rng: random.Random, landing: Landing, window: Window, org: Org, size: float, number: int
) -> list[Client]:
    """The clients of a block, 80 in a full one."""
    count = max(8, round(80 * size))
    managers = _first_managers(org, count)
    histories = _histories(org, window, managers)
    found = companies(rng, count)
    # A large foreign client goes to each of the first managers with room; only the first block has them.
    foreign = dict(zip(range(1, count, max(1, count // 5)), FOREIGN_CLIENTS, strict=False)) if number == 0 else {}
    newcomers = 0
    clients = []
    kept: dict[str, int] = {}
    for index in range(count):
        manager = managers[index]
        turn = kept[manager] = kept.get(manager, index % 3) + 1
        entry = Entry.FROM_THE_START
        entry_month = window.first_month
        if turn % 5 in (2, 4) and index not in foreign:
            newcomers += 1
            entry = Entry.PROSPECT if newcomers % 4 == 0 else Entry.WON
            # Golden-ratio steps spread the arrivals evenly over the months, whatever their number.
            share = (newcomers * 0.618034 + rng.random() * 0.1) % 1.0
            entry_month = window.first_month + int(share * window.months)
        is_small = manager in org.cast.executives
        fee = rng.lognormvariate(17.2 if is_small else 17.9, 0.5)
        company, currency = found[index], REPORTING
        if index in foreign:
            currency, company = foreign[index]
            fee *= 1.5
        client_id = landing.new_id("clients")
        clients.append(
            Client(client_id, company, currency, fee, entry, entry_month, tuple(histories[index]))
        )
    return clients


def client_rows(clients: list[Client]) -> list[tuple[str, ...]]:
    """The extract `clients`."""
    return [(client.client_id, client.company.legal_name, client.company.industry) for client in clients]


def assignment_rows(clients: list[Client], window: Window) -> list[tuple[str, ...]]:
    """The extract `client_assignments`, as known on as_of."""
    return [
        (client.client_id, iso(one.valid_from), one.manager_id, window.known(one.valid_to))
        for client in clients
        for one in client.assignments
        if one.valid_from <= window.as_of
    ]
