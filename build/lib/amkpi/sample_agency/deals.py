"""Proposals and contracts of a client, from the first pitch to the last renewal."""

import random
from dataclasses import dataclass, field

from amkpi.sample_agency.clients import Client, Entry
from amkpi.sample_agency.scene import Scene, chance
from amkpi.sample_agency.timeline import Day, busy_day, iso, month_at, month_index, month_season, months_later, working

NEW_BUSINESS, RENEWAL, UPSELL, CROSS_SELL = "new_business", "renewal", "upsell", "cross_sell"
BEFORE_START, MID_TERM = "before start", "mid-term"
_LEAST, _MOST = 50e6, 3e9


@dataclass(frozen=True)
class Contract:
    """A contract. `last_day` is its end, or the day before it was cancelled."""

    contract_id: str
    kind: str
    signed: Day
    start: Day
    last_day: Day

    def in_force(self, day: Day) -> bool:
        return self.start <= day <= self.last_day


@dataclass
class CancellationsDue:
    """Which kinds are still to be cancelled at which stage, so that each happens at least once in an agency.

    In a small agency, chance alone would not produce all eight.
    """

    due: set[tuple[str, str]] = field(default_factory=set)

    @classmethod
    def one_of_each(cls) -> "CancellationsDue":
        kinds = (NEW_BUSINESS, RENEWAL, UPSELL, CROSS_SELL)
        return cls({(kind, stage) for kind in kinds for stage in (BEFORE_START, MID_TERM)})

    def claim(self, kind: str, stage: str) -> bool:
        """Whether this one is still due; it counts as done from now on."""
        if (kind, stage) in self.due:
            self.due.remove((kind, stage))
            return True
        return False


@dataclass(frozen=True)
class _Offer:
    """A proposal that was won, or an order without a proposal."""

    kind: str
    amount: float
    doer: str
    owner: str
    proposal_id: str = ""
    decided: Day = 0


@dataclass
class Deals:
    """Writes one client's proposals and contracts; `contracts` is what the client ended up with by as_of's month."""

    scene: Scene
    client: Client
    rng: random.Random
    cancellations: CancellationsDue
    contracts: list[Contract] = field(default_factory=list)

    def play(self) -> None:
        """Writes everything that happens with the client."""
        first = self.scene.window.first
        if self.client.entry is Entry.FROM_THE_START:
            # The retainer of before is renewed in the first month, for the rest of its year.
            months = 2 + int(self.rng.random() * 12)
            signed = working(first + int(self.rng.random() * 9))
            doer, owner = self.scene.doer(self.client, signed, self.rng, 0.0)
            offer = _Offer(RENEWAL, self.client.fee * months, doer, owner)
            end = months_later(first, months) - 1
            self._retain(self._sign(offer, signed, first, end), months)
        elif self.client.entry is Entry.WON:
            self._pitch_until_won()
        else:
            month = self.client.entry_month
            while month <= self.scene.window.last_month:
                self._propose(NEW_BUSINESS, self.client.fee * 6, busy_day(self.rng, month_at(month)), 0.0)
                month += 3 + int(self.rng.random() * 6)
        self._expand()

    def _pitch_until_won(self) -> None:
        sent = busy_day(self.rng, month_at(self.client.entry_month))
        is_retainer = self.rng.random() < 0.65
        months = 12 if is_retainer else 2 + int(self.rng.random() * 5)
        for _ in range(3):
            amount = self.client.fee * (months if is_retainer else months * 1.5)
            offer = self._propose(NEW_BUSINESS, amount, sent, 0.62)
            if offer is not None:
                signed = working(offer.decided + int(self.rng.random() * 12))
                start = self._start(signed)
                self._retain(self._sign(offer, signed, start, months_later(start, months) - 1), months)
                return
            sent = working(sent + 50 + int(self.rng.random() * 60))

    def _retain(self, contract: Contract | None, months: int) -> None:
        """Renews a retainer, year after year, until it is lost, cancelled or beyond the window."""
        rng, scene = self.rng, self.scene
        while contract is not None and contract.last_day <= scene.window.horizon + 60:
            asked = working(max(scene.window.first, contract.last_day - 25 - int(rng.random() * 40)))
            manager = self.client.manager(asked) or scene.org.cast.group_director
            months_next = 12 if rng.random() < 0.75 else 6
            amount = self.client.fee * months_next * (0.98 + 0.16 * rng.random())
            start = contract.last_day + 1
            if rng.random() < 0.15:
                # Renewed without a proposal, or ended without one.
                if rng.random() > chance(0.85, scene.org.form(manager, asked)):
                    return
                signed = working(contract.last_day - int(rng.random() * 12))
                doer, owner = scene.doer(self.client, signed, rng, 0.0)
                offer: _Offer | None = _Offer(RENEWAL, amount, doer, owner)
            else:
                offer = self._propose(RENEWAL, amount, asked, 0.86)
                signed = 0 if offer is None else working(max(offer.decided, start - 20 + int(rng.random() * 25)))
            if offer is None:
                return
            contract = self._sign(offer, signed, start, months_later(start, months_next) - 1)

    def _expand(self) -> None:
        """Upsell and cross-sell while the client is served; sometimes a pitch for another brand of the client."""
        rng, window = self.rng, self.scene.window
        for index in range(window.first_month, window.last_month + 1):
            month = month_at(index)
            if not any(contract.in_force(month.first + 14) for contract in self.contracts):
                continue
            roll = rng.random() / month_season(index)
            if roll > 0.27:
                continue
            kind = UPSELL if roll < 0.135 else CROSS_SELL if roll < 0.245 else NEW_BUSINESS
            amount = self.client.fee * (1.0 + 3.2 * rng.random())
            sent = busy_day(rng, month)
            term = 1 + int(rng.random() * 7)
            if rng.random() < 0.1:
                # Ordered by mail, without a proposal.
                doer, owner = self.scene.doer(self.client, sent, rng, 0.2)
                offer: _Offer | None = _Offer(kind, amount, doer, owner, decided=sent)
            else:
                offer = self._propose(kind, amount, sent, 0.5, delegated=0.25)
            if offer is not None:
                signed = working(offer.decided + int(rng.random() * 9))
                start = self._start(signed)
                self._sign(offer, signed, start, months_later(start, term) - 1)

    def _propose(self, kind: str, amount: float, sent: Day, base: float, delegated: float = 0.05) -> _Offer | None:
        """A proposal and the versions that supersede it; the offer where it was won, None otherwise."""
        rng, scene = self.rng, self.scene
        supersedes = ""
        amount = min(_MOST, max(_LEAST, amount))
        sent = working(sent)
        while True:
            doer, owner = scene.doer(self.client, sent, rng, delegated)
            proposal_id = scene.landing.new_id("proposals")
            is_revised = rng.random() < 0.16
            decided = working(sent + 6 + int(rng.random() * 36))
            roll = rng.random()
            if is_revised:
                decided = working(sent + 5 + int(rng.random() * 18))
                outcome = "withdrawn"
            # Those who are served badly do not renew; new work depends on price and idea as well.
            elif roll < chance(base, scene.org.form(doer, sent) * (1.0 if kind == RENEWAL else 0.5)):
                outcome = "won"
            else:
                outcome = "open" if rng.random() < 0.06 else "withdrawn" if rng.random() < 0.08 else "lost"
            if sent <= scene.window.as_of:
                # Until it is decided it is open, whatever will come.
                is_decided = outcome != "open" and decided <= scene.window.as_of
                scene.landing.add(
                    "proposals",
                    (
                        proposal_id, self.client.client_id, owner, kind,
                        scene.rates.amount(amount, self.client.currency, sent), self.client.currency, iso(sent),
                        outcome if is_decided else "open", iso(decided) if is_decided else "", supersedes,
                    ),
                )  # fmt: skip
            if not is_revised:
                return _Offer(kind, amount, doer, owner, proposal_id, decided) if outcome == "won" else None
            supersedes, sent, amount = proposal_id, decided, max(_LEAST, amount * (0.82 + 0.16 * rng.random()))

    def _start(self, signed: Day) -> Day:
        """A week after signing on average; at times before it, for work often starts first."""
        return working(max(self.scene.window.first, signed + int(self.rng.gauss(8, 10))))

    def _sign(self, offer: _Offer, signed: Day, start: Day, end: Day) -> Contract | None:
        """Writes a contract; None where it was cancelled, so that nothing follows from it."""
        rng, scene = self.rng, self.scene
        cancelled = self._cancellation(offer, signed, start, end)
        last_day = end if cancelled is None else min(end, cancelled - 1)
        contract_id = scene.landing.new_id("contracts")
        contract = Contract(contract_id, offer.kind, signed, start, last_day)
        self.contracts.append(contract)
        # Now and then the final amount differs from the proposal by a little.
        amount = offer.amount * (1.0 if rng.random() < 0.7 else 0.93 + 0.1 * rng.random())
        amount = min(_MOST, max(_LEAST, amount))
        if signed <= scene.window.as_of:
            scene.landing.add(
                "contracts",
                (
                    contract_id, self.client.client_id, offer.owner, offer.proposal_id, offer.kind, iso(signed),
                    iso(start), iso(end), scene.rates.amount(amount, self.client.currency, signed),
                    self.client.currency, scene.window.known(cancelled),
                ),
            )  # fmt: skip
        return None if cancelled is not None else contract

    def _cancellation(self, offer: _Offer, signed: Day, start: Day, end: Day) -> Day | None:
        rng, org = self.rng, self.scene.org
        before = signed + 1 + int(rng.random() * max(1, start - signed - 1))
        midway = start + int((0.25 + 0.5 * rng.random()) * (end - start))
        roll = rng.random()
        if start - signed >= 4 and (self._claim(offer.kind, BEFORE_START, before) or roll < 0.02):
            return before
        if midway > signed and end - start >= 40:
            is_troubled = midway >= org.stories.trouble and org.form(offer.doer, midway) < -1.2
            if self._claim(offer.kind, MID_TERM, midway) or roll > (0.82 if is_troubled else 0.97):
                return midway
        return None

    def _claim(self, kind: str, stage: str, day: Day) -> bool:
        # Only before the month of as_of: the result must not depend on the day within it.
        return day < month_at(self.scene.window.last_month).first and self.cancellations.claim(kind, stage)


def contract_of(contracts: list[Contract], day: Day) -> Contract | None:
    """The contract in force on a day that began last."""
    in_force = [contract for contract in contracts if contract.in_force(day)]
    return max(in_force, key=lambda contract: contract.start, default=None)


def months_served(contracts: list[Contract], first_month: int, last_month: int) -> list[int]:
    """The months on whose fifteenth a contract was in force."""
    served: set[int] = set()
    for contract in contracts:
        begin, end = month_index(contract.start), month_index(contract.last_day)
        if contract.start > month_at(begin).first + 14:
            begin += 1
        if contract.last_day < month_at(end).first + 14:
            end -= 1
        served.update(range(max(begin, first_month), min(end, last_month) + 1))
    return sorted(served)
