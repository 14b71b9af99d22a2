"""Random agencies that visit the edges of the specification: a seed in, runs of files out.

Clean agencies come in one run and hold nothing back; `corrupted_data.py` breaks them up and spoils them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from .contract import EXTRACTS, GRAINS, KINDS, KPIS
from .corrupted_data import spoil
from .edges_of_days import add_edges_of_days
from .tables import Tables, write

CURRENCIES = ("VND", "VND", "VND", "USD", "EUR")
ACCOUNT_ROLES = ("account_executive", "account_manager", "senior_account_manager", "account_director")
# low, high, and scores of which one lies exactly on three quarters of the scale
SCALES = (
    ("1", "5", ("1", "2", "3", "4", "5")),
    ("0", "10", ("0", "3", "6", "7", "7.5", "8", "9", "10")),
    ("1", "10", ("1", "7.75", "7.7", "10")),
    ("0", "1", ("0", "0.75", "1")),
    ("-2", "2", ("-2", "0.999999999", "1", "2")),
    ("1", "2.2", ("1", "1.9", "2.2")),
)


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    months: int
    people: int
    clients: int
    per_client: int
    reviews: int
    targets: int


SIZES = {
    "tiny": Size(months=14, people=9, clients=8, per_client=2, reviews=60, targets=60),
    "small": Size(months=20, people=16, clients=22, per_client=3, reviews=200, targets=120),
    "medium": Size(months=20, people=30, clients=90, per_client=5, reviews=900, targets=200),
}


class Maker:
    """Draws an agency's tables; every choice comes from one seeded stream."""

    def __init__(self, random: Random, as_of: date, size: Size) -> None:
        self.random = random
        self.as_of = as_of
        self.size = size
        self.begin = as_of - timedelta(days=30 * size.months)
        self.end = as_of + timedelta(days=200)
        self.tables: Tables = {extract: [] for extract in EXTRACTS}
        self.people: list[str] = []
        self.others: list[str] = []

    def chance(self, share: float) -> bool:
        """True in this share of the draws."""
        return self.random.random() < share

    def add(self, extract: str, **cells: object) -> dict[str, str]:
        """Append a row; dates become ISO, None becomes empty, what is not named is empty."""
        row = {c.name: "" for c in EXTRACTS[extract] if c.name not in ("updated_at", "is_deleted")}
        assert cells.keys() <= row.keys(), cells.keys() - row.keys()
        row |= {name: "" if cell is None else str(cell) for name, cell in cells.items()}
        self.tables[extract].append(row)
        return row

    def day(self, first: date | None = None, last: date | None = None) -> date:
        """A day between two; often the first or last of a month, or as_of and its neighbours."""
        first, last = first or self.begin, last or self.end
        day = first + timedelta(days=self.random.randint(0, max((last - first).days, 0)))
        draw = self.random.random()
        if draw < 0.08:
            day = day.replace(day=1)
        elif draw < 0.16:
            day = day.replace(day=1) - timedelta(days=1)
        elif draw < 0.19:
            day = self.as_of + timedelta(days=self.random.randint(-1, 1))
        return min(max(day, first), max(last, first))

    def past(self) -> date:
        """A day that mostly lies before as_of."""
        return self.day(last=self.as_of if self.chance(0.9) else self.end)

    def later(self, day: date, least: int, most: int) -> date:
        """A day some days after another."""
        return day + timedelta(days=self.random.randint(least, most))

    def money(self) -> tuple[str, str]:
        """An amount and its currency, in several writings."""
        currency = self.random.choice(CURRENCIES)
        if currency == "VND":
            return self.random.choice(["0", "1e6", "+2500000", str(self.random.randint(1, 90) * 100000)]), currency
        return f"{self.random.randint(1, 900)}.{self.random.randint(0, 99):02d}", currency

    def owner(self) -> str | None:
        """Somebody: mostly account staff, sometimes others or somebody who joins later, often nobody."""
        draw = self.random.random()
        if draw < 0.35:
            return None
        return self.random.choice(self.others if draw < 0.42 else self.people)

    def boolean(self, value: bool) -> str:
        """A boolean in one of its writings."""
        return self.random.choice(["true", "T", "Yes", "1"] if value else ["false", "F", "NO", "0"])

    def make(self) -> Tables:
        """All tables."""
        self.make_staff()
        self.make_rates()
        for number in range(self.size.clients):
            self.make_client(f"C{number:03d}")
        self.make_edges()
        self.make_dates()
        self.make_reviews()
        self.make_targets()
        self.make_boundaries()
        add_edges_of_days(self)
        return self.tables

    def make_staff(self) -> None:
        """A CEO of no account role, people whose managers come before them in the list (so no loop), histories."""
        long_ago = self.begin - timedelta(days=self.random.choice([0, 40, 400]))
        self.hire("CEO", long_ago, "chief_executive", None)
        self.hire("D0", long_ago, "account_director", "CEO")
        ranks = ["CEO", "D0"]
        self.people.append("D0")
        for number in range(1, self.size.people):
            person = f"A{number:02d}"
            joins = long_ago if self.chance(0.7) else self.past()
            manager = self.random.choice(ranks[-5:] if self.chance(0.7) else ranks)
            role = self.random.choice(ACCOUNT_ROLES)
            self.hire(person, joins, role, manager)
            self.people.append(person)
            # promotions, reorganisations, leaving, coming back, moving out of the account team
            used = {joins}
            for _ in range(self.random.choice([0, 0, 1, 1, 2, 3])):
                joins = self.later(joins, 1, 300) if self.chance(0.8) else self.day(joins)
                if joins in used:
                    continue
                used.add(joins)
                role = self.random.choice([*ACCOUNT_ROLES, role, "group_account_director", "strategist"])
                manager = self.random.choice([*ranks, manager])
                self.hire(person, joins, role, manager if self.chance(0.9) else None, self.chance(0.75))
            ranks.append(person)
        for number in range(6):
            other = f"X{number}"
            self.hire(other, long_ago, "designer", self.random.choice(ranks))
            self.others.append(other)
        self.hire("LATE", self.as_of + timedelta(days=5), "account_manager", "D0")  # not yet anybody on as_of
        self.others.append("LATE")

    def hire(self, person: str, day: date, role: str, manager: str | None, active: bool = True) -> None:
        """One row of a staff history."""
        name = self.random.choice(["Trần Thị", 'Lê "Bé"', "Nguyễn, Văn", "O'Neil; jr"]) + " " + person
        cells: dict[str, object] = {"staff_id": person, "valid_from": day, "full_name": name, "role": role}
        self.add("staff", **cells, department="account", manager_id=manager, is_active=self.boolean(active))

    def make_rates(self) -> None:
        """Sparse rates; sometimes one of the reporting currency, which counts 1 all the same."""
        for currency, rate in (("USD", 25000), ("EUR", 27000)):
            day = self.begin - timedelta(days=900)
            while day < self.end:
                value = rate * self.random.uniform(0.9, 1.1)
                self.add("fx_rates", currency=currency, rate_date=day, rate=f"{value:.4f}")
                day = self.later(day, 1, 120)
        if self.chance(0.3):
            self.add("fx_rates", currency="VND", rate_date=self.begin, rate="2")

    def make_client(self, client: str) -> None:
        """A client with its assignments, contracts, proposals, projects and surveys."""
        name = self.random.choice(["Sao Mai", 'Đại "Việt"', "Trà; Xanh", "Hai\ndòng", "A, B | C"]) + " " + client
        self.add("clients", client_id=client, client_name=name)
        day = self.begin - timedelta(days=self.random.randint(-200, 200))
        for _ in range(self.random.choice([0, 1, 1, 2, 3, 4])):
            until = self.later(day, 0, 400) if self.chance(0.4) else None
            manager = self.random.choice(self.others if self.chance(0.05) else self.people)
            self.add("client_assignments", client_id=client, valid_from=day, account_manager_id=manager, valid_to=until)
            day = self.later(day, 1, 300)
        for number in range(self.random.randint(1, self.size.per_client)):
            self.make_contract(f"K-{client}-{number}", client)
        for number in range(self.random.randint(0, 2 * self.size.per_client)):
            self.make_proposal(f"P-{client}-{number}", client, number)
        projects = [f"J-{client}-{number}" for number in range(self.random.randint(0, self.size.per_client))]
        for project in projects:
            self.make_project(project, client)
        for number in range(self.random.randint(0, 2 * self.size.per_client)):
            low, high, scores = self.random.choice(SCALES)
            sent = self.past()
            answered = self.later(sent, 0, 60) if self.chance(0.8) else None
            score = self.random.choice(scores) if self.chance(0.85 if answered else 0.05) else None
            self.add(
                "client_surveys",
                response_id=f"S-{client}-{number}",
                client_id=client,
                project_id=self.random.choice(projects) if projects and self.chance(0.5) else None,
                sent_date=sent,
                responded_date=answered,
                score=score,
                scale_min=low,
                scale_max=high,
                comment=self.random.choice(["", 'Tốt, "chậm"', "hai\ndòng", "ok; fine"]),
            )

    def make_contract(self, contract: str, client: str) -> None:
        """A contract, cancelled in one of the seven ways or not."""
        signed = self.past()
        start = self.later(signed, -30, 60)
        end = self.later(start, 0, self.random.choice([0, 20, 100, 400]))
        cancelled: date | None = None
        if self.chance(0.45):
            day = timedelta(days=1)
            middle = start + (end - start) / 2
            ways = [signed - 9 * day, signed, start - day, start, middle, end, end + day, self.later(end, 1, 90)]
            cancelled = self.random.choice([*ways, self.as_of, self.as_of + day])
        amount, currency = self.money()
        self.add(
            "contracts",
            contract_id=contract,
            client_id=client,
            owner_id=self.owner(),
            proposal_id=self.random.choice(["", "P-nowhere"]),
            kind=self.random.choice(KINDS),
            signed_date=signed,
            start_date=start,
            end_date=end,
            amount=amount,
            currency=currency,
            cancelled_date=cancelled,
        )

    def make_proposal(self, proposal: str, client: str, number: int) -> None:
        """A proposal; it may supersede the one before, itself, or one that does not exist."""
        sent = self.past()
        outcome = self.random.choice(["open", "won", "won", "lost", "withdrawn"])
        decided: date | None = None
        if outcome in ("won", "lost") or (outcome == "withdrawn" and self.chance(0.5)):
            decided = self.later(sent, 0, 90)
        replaced = ""
        if number and self.chance(0.3):
            replaced = f"P-{client}-{number - 1}"
        elif self.chance(0.06):
            replaced = self.random.choice([proposal, "P-nowhere"])
        amount, currency = self.money()
        cells: dict[str, object] = {"proposal_id": proposal, "client_id": client, "owner_id": self.owner()}
        cells |= {"kind": self.random.choice(KINDS), "amount": amount, "currency": currency, "sent_date": sent}
        self.add("proposals", **cells, outcome=outcome, decided_date=decided, supersedes_proposal_id=replaced)

    def make_project(self, project: str, client: str) -> None:
        """A project and its costs; delivered, cancelled and agreed around its due date."""
        start = self.past()
        committed = self.later(start, -3, 90)
        agreed = self.later(committed, -10, 60) if self.chance(0.4) else None
        agreed_on = self.later(committed, -20, 5) if agreed and self.chance(0.7) else None
        if agreed and self.chance(0.15):
            agreed_on = committed
        due = self.random.choice([committed, agreed or committed])
        delivered = max(start, self.later(due, -5, 5)) if self.chance(0.7) else None
        if delivered and self.chance(0.3):
            delivered = max(start, due)
        cancelled = self.later(due, -2, 2) if self.chance(0.15) else None
        amount, currency = self.money()
        budget = self.random.choice([amount, amount, amount, amount, "0", ""])
        self.add(
            "projects",
            project_id=project,
            client_id=client,
            owner_id=self.owner(),
            project_name=f"Chiến dịch {project}",
            start_date=start,
            committed_due_date=committed,
            agreed_due_date=agreed,
            agreed_on=agreed_on,
            delivered_date=delivered,
            cancelled_date=cancelled,
            budget_amount=budget,
            currency=currency,
        )
        whole = float(amount or "0")
        for number in range(self.random.choice([0, 1, 2, 3, 5])):
            part = whole * self.random.choice([0.1, 0.3, 0.5, -0.1])
            spent, paid = (f"{part:.2f}", currency) if self.chance(0.8) else self.money()
            self.add(
                "project_costs",
                cost_id=f"Q-{project}-{number}",
                project_id=project,
                cost_date=self.later(start, -10, 120),
                amount=spent,
                currency=paid,
            )

    def make_edges(self) -> None:
        """Contracts that end exactly around the days of grace before a month begins."""
        for number in range(6):
            opening = self.day(self.begin, self.as_of).replace(day=1) - timedelta(days=1)
            end = opening - timedelta(days=30 + self.random.choice([-1, 0, 1]))
            client = self.random.choice(self.tables["clients"])["client_id"]
            start = end - timedelta(days=self.random.choice([0, 5, 60]))
            self.add(
                "contracts",
                contract_id=f"K-edge-{number}",
                client_id=client,
                kind="renewal",
                signed_date=start,
                start_date=start,
                end_date=end,
                amount="0.005",
                currency="VND",
                cancelled_date=end + timedelta(days=1) if self.chance(0.3) else None,
            )

    def make_dates(self) -> None:
        """A record of one kind that is older than all others, and projects and reviews around as_of."""
        client, day = "C000", timedelta(days=1)
        old = self.begin - 150 * day
        kind = self.random.choice(["project", "start", "signed", "proposal", "survey", "review", "none"])
        money: dict[str, object] = {"amount": "7", "currency": "VND"}
        if kind in ("start", "signed"):
            signed, start = (old, old + 90 * day) if kind == "signed" else (old + 90 * day, old)
            cells: dict[str, object] = {"signed_date": signed, "start_date": start, "end_date": start + 200 * day}
            self.add("contracts", contract_id="K-old", client_id=client, kind="upsell", **money, **cells)
        elif kind == "proposal":
            cells = {"client_id": client, "kind": "upsell", "sent_date": old, "outcome": "open"}
            self.add("proposals", proposal_id="P-old", **money, **cells)
        elif kind == "survey":
            cells = {"client_id": client, "sent_date": old, "scale_min": 1, "scale_max": 5}
            self.add("client_surveys", response_id="S-old", **cells)
        elif kind == "review":
            cells = {"reviewer_id": "D0", "reviewer_department": "media", "review_date": old}
            self.add("peer_reviews", review_id="R-old", account_manager_id="D0", scale_min=1, scale_max=5, **cells)
        on = self.as_of
        # start, committed, agreed, agreed_on, delivered
        for number, (start, committed, agreed, agreed_on, delivered) in enumerate(
            (
                (old if kind == "project" else on, on + 300 * day, None, None, None),
                (on + day, on, None, None, None),  # due before it starts
                (on - 20 * day, on - 5 * day, on + 9 * day, on + 3 * day, None),  # agreed_on is not asked about as_of
                (on - 20 * day, on, None, None, on + day),
                (on - 20 * day, on + day, None, None, on),
            )
        ):
            self.add(
                "projects",
                project_id=f"J-date-{number}",
                client_id=client,
                owner_id="D0",
                project_name="Dates",
                start_date=start,
                committed_due_date=committed,
                agreed_due_date=agreed,
                agreed_on=agreed_on,
                delivered_date=delivered,
                currency="VND",
            )

    def make_reviews(self) -> None:
        """Reviews in rounds, so that some have enough raters; of others than account staff, and of oneself, too."""
        number = 0
        while number < self.size.reviews:
            person = self.random.choice([*self.people, *self.people, "X0"])
            around = self.past()
            for _ in range(self.random.choice([1, 2, 3, 4, 6])):
                low, high, scores = self.random.choice(SCALES)
                given = self.random.choice([(True, True), (True, True), (True, False), (False, True), (False, False)])
                reviewer = person if self.chance(0.06) else self.random.choice([*self.others, "GUEST"])
                self.add(
                    "peer_reviews",
                    review_id=f"R{number:05d}",
                    account_manager_id=person,
                    reviewer_id=reviewer,
                    reviewer_department=self.random.choice(["media", "creative", "Media"]),
                    review_date=self.later(around, 0, 25),
                    teamwork_score=self.random.choice(scores) if given[0] else None,
                    project_management_score=self.random.choice(scores) if given[1] else None,
                    scale_min=low,
                    scale_max=high,
                )
                number += 1

    def make_targets(self) -> None:
        """Targets of every scope, grain, person or role, at changing valid_from, some zero."""
        used: set[tuple[str, ...]] = set()
        for _ in range(self.size.targets):
            kpi = self.random.choice([*KPIS, "client_revenue"])
            scope = self.random.choice(["", "own", "own", "team", "team", "company"])
            grain = self.random.choice(["", "", "", *GRAINS])
            person = role = ""
            if scope != "company":
                if self.chance(0.5):
                    person = self.random.choice(self.people)
                else:
                    role = self.random.choice([*ACCOUNT_ROLES, "group_account_director", "chief_executive"])
            start = self.day(self.begin - timedelta(days=400)) if self.chance(0.6) else self.begin - timedelta(days=500)
            key = (kpi, scope or "own", grain, person, role, str(start))
            if key in used:
                continue
            used.add(key)
            if kpi == "client_revenue":
                target = str(self.random.randint(1, 60) * 100000)
            elif kpi == "internal_collaboration_score":
                target = str(self.random.randint(40, 90))
            else:
                target = self.random.choice(["0.3", "0.5", "0.75", "0.8", "1", "1.5"])
            target = self.random.choice([target] * 9 + ["0"])
            weight = self.random.choice(["1", "2", "10", "0.1", "0.2", "0.7", "0"])
            cells: dict[str, object] = {"kpi": kpi, "scope": scope, "period_grain": grain, "staff_id": person}
            self.add("kpi_targets", **cells, role=role, valid_from=start, target=target, weight=weight)

    def make_boundaries(self) -> None:
        """Someone whose monthly revenue lies on the bounds of rating, attainment, and weight covered."""
        # "BOUND" has one client and nothing else, so only the revenue is ever scored
        first = self.begin.replace(day=1)
        self.hire("BOUND", first, "account_executive", "CEO")
        self.add("clients", client_id="C-bound", client_name="Bound")
        day = first
        for number, amount in enumerate(
            ("109.95", "94.95", "94.949", "79.95", "64.95", "64.949", "100", "90", "89.99")
        ):
            if day > self.as_of:
                break
            self.add(
                "contracts",
                contract_id=f"K-bound-{number}",
                client_id="C-bound",
                owner_id="BOUND",
                kind="upsell",
                signed_date=day,
                start_date=day,
                end_date=day,
                amount=amount,
                currency="VND",
            )
            day = (day + timedelta(days=32)).replace(day=1)
        covered, rest = self.random.choice([("0.7", "0.3"), ("7", "3"), ("0.69", "0.31"), ("2.1", "0.9")])
        for kpi, target, weight in (("client_revenue", "100", covered), ("client_satisfaction", "0.8", rest)):
            cells: dict[str, object] = {"kpi": kpi, "period_grain": "month", "staff_id": "BOUND"}
            self.add("kpi_targets", **cells, valid_from=first, target=target, weight=weight)


def random_agency(seed: int, *, as_of: date, size: str = "small", dirty: bool = False) -> list[dict[str, bytes]]:
    """Runs of files (path below LANDING -> bytes) of a random agency; sizes: tiny, small, medium.

    A clean agency is one run of one file an extract, of which no row is held back. A dirty one has three runs, with
    everything that can be wrong with files and rows; more than a fifth of an extract may be held back, so a pipeline
    under test needs `max_quarantined_share` = 1. Every `updated_at` lies before as_of.
    """
    random = Random(f"{seed}/{size}/{dirty}")
    tables = Maker(random, as_of, SIZES[size]).make()
    if dirty:
        return spoil(random, as_of, tables)
    run = {}
    for extract, table in tables.items():
        random.shuffle(table)
        columns = [c.name for c in EXTRACTS[extract] if c.name not in ("updated_at", "is_deleted")]
        run[f"{extract}/{extract}.csv"] = write(table, columns).encode()
    return [run]
