"""The clients of one block: who they are, how they came, and their managers over time."""

import random
from collections.abc import Container
from dataclasses import dataclass, replace
from enum import Enum

from amkpi.sample_agency.currency import REPORTING
from amkpi.sample_agency.landing import Landing
from amkpi.sample_agency.names import FOREIGN_CLIENTS, Company, companies
from amkpi.sample_agency.people import Org
from amkpi.sample_agency.timeline import Day, Window, iso, month_index


class Entry(Enum):
    """How a client came."""

    FROM_THE_START = "served before the first month; its retainer is renewed in it"
    WON = "won within the window"
    PROSPECT = "pitched for, never won"


@dataclass(frozen=True)
class Assignment:
    """The manager of a client from a day on; `valid_to` only where nobody takes over at once."""

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
class _Seat:
    """A client before it has a name: its first manager, and how it comes."""

    manager_id: str
    entry: Entry
    entry_month: int


@dataclass(frozen=True)
class _Move:
    """On a day, clients of some people are handed over to others in turn, at most `limit` of them.

    Every second one has no manager for `gap_days`. `newest`: the clients that were won last are handed over first,
    because most of them are still served.
    """

    day: Day
    from_ids: tuple[str, ...]
    to_ids: tuple[str, ...]
    limit: int = 99
    gap_days: int = 0
    newest: bool = False


def _moves(org: Org) -> list[_Move]:
    cast, stories = org.cast, org.stories
    moves = []
    if cast.gives_clients != cast.takes_clients:
        moves.append(_Move(stories.handover, (cast.gives_clients,), (cast.takes_clients,), limit=2))
    if cast.promoted:
        away = org.people[cast.on_leave_executive].posts[0].manager_id
        left = org.people[cast.leaving_executive].posts[0].manager_id
        heirs = (cast.promoted, cast.promoted_colleague)
        moves += [
            _Move(stories.leave_begins, (cast.on_leave_executive,), (away,)),
            _Move(stories.promotion, (cast.promoted_colleague,), (cast.promoted,), limit=2),
            _Move(stories.executive_leaves, (cast.leaving_executive,), (left,)),
            _Move(stories.manager_leaves, (cast.leaver,), heirs, gap_days=17),
        ]
    if cast.new_hire:
        givers = tuple(one for one in (*cast.managers[-3:], cast.promoted) if one)
        moves.append(_Move(stories.new_hire, givers, (cast.new_hire,), limit=3, newest=True))
    return sorted(moves, key=lambda move: move.day)


def _seats(rng: random.Random, window: Window, org: Org, count: int, foreign: Container[int]) -> list[_Seat]:
    """Account managers have two thirds of the clients, executives have small ones, directors a few.

    Foreign clients are there from the start.
    """
    cast = org.cast
    directing = [*cast.directors, cast.group_director]
    of_directors = round(0.075 * count)
    of_executives = round(0.25 * count)
    of_managers = count - of_directors - of_executives
    managers = [
        *(cast.managers[index % len(cast.managers)] for index in range(of_managers)),
        *(cast.executives[index % len(cast.executives)] for index in range(of_executives)),
        *(directing[index % len(directing)] for index in range(of_directors)),
    ]
    seats = []
    newcomers = 0
    turns: dict[str, int] = {}
    for index, manager in enumerate(managers):
        turn = turns[manager] = turns.get(manager, index % 3) + 1
        if turn % 5 not in (2, 4) or index in foreign:
            seats.append(_Seat(manager, Entry.FROM_THE_START, window.first_month))
            continue
        newcomers += 1
        # Golden-ratio steps spread the arrivals evenly over the months, whatever their number.
        share = (newcomers * 0.618034 + rng.random() * 0.1) % 1.0
        entry = Entry.PROSPECT if newcomers % 4 == 0 else Entry.WON
        seats.append(_Seat(manager, entry, window.first_month + int(share * window.months)))
    return seats


def _histories(org: Org, window: Window, seats: list[_Seat]) -> list[list[Assignment]]:
    """The assignments of each seat: the first manager, and who follows when people come, change and leave."""
    histories = []
    for seat in seats:
        began = max(window.first - 400, org.people[seat.manager_id].posts[0].valid_from)
        histories.append([Assignment(began, seat.manager_id)])
    for move in _moves(org):
        # In a short window two moves can fall on one day; a client is handed over once a day.
        theirs = [
            (seat, history)
            for seat, history in zip(seats, histories, strict=True)
            if history[-1].manager_id in move.from_ids and history[-1].valid_from < move.day
        ]
        if move.newest:
            month = month_index(move.day) - 2
            theirs = [one for one in theirs if one[0].entry is not Entry.PROSPECT and one[0].entry_month <= month]
            theirs.sort(key=lambda one: -one[0].entry_month)
        theirs = theirs[: move.limit]
        for turn, (_, history) in enumerate(theirs):
            taker = move.to_ids[turn % len(move.to_ids)]
            has_gap = move.gap_days > 0 and turn % 2 == 1
            if has_gap:
                # The client has no manager for a while: its records count for the company only.
                history[-1] = replace(history[-1], valid_to=move.day - 1)
            history.append(Assignment(move.day + (move.gap_days if has_gap else 0), taker))
    return histories


def gather_clients(
    rng: random.Random, landing: Landing, window: Window, org: Org, size: float, number: int
) -> list[Client]:
    """The clients of a block, 80 in a full one; `number` 0 is the first block, which has the four foreign ones."""
    count = max(8, round(80 * size))
    found = companies(rng, count)
    foreign = dict(zip(range(1, count, max(1, count // 6)), FOREIGN_CLIENTS, strict=False)) if number == 0 else {}
    seats = _seats(rng, window, org, count, foreign)
    histories = _histories(org, window, seats)
    # One prospect has no manager at all: its records count for the company only.
    nobodys = max((index for index, seat in enumerate(seats) if seat.entry is Entry.PROSPECT), default=None)
    if nobodys is not None:
        histories[nobodys] = []
    clients = []
    for index, (seat, history) in enumerate(zip(seats, histories, strict=True)):
        is_small = seat.manager_id in org.cast.executives
        fee = rng.lognormvariate(17.2 if is_small else 17.9, 0.5)
        company, currency = found[index], REPORTING
        if index in foreign:
            currency, company = foreign[index]
            fee *= 1.5
        client_id = landing.new_id("clients")
        clients.append(Client(client_id, company, currency, fee, seat.entry, seat.entry_month, tuple(history)))
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
