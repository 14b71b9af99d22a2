"""Spoils a clean agency: several runs, versions of rows, deletions, bad rows and bad files of every kind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from random import Random

from .contract import DATE_ORDERS, EXTRACTS, MONEY_DATES, NOT_NEGATIVE, REFERENCES, SCORES
from .tables import Table, Tables, write

RUNS = 3
# what a newer version of a row says differently (never a key or a reference, so no loop of managers can arise)
CHANGES = {
    "clients": ("client_name", ("Tên mới", "Newer\nname")),
    "proposals": ("outcome", ("open", "withdrawn")),
    "contracts": ("amount", ("777", "0")),
    "projects": ("budget_amount", ("888", "0", "")),
    "project_costs": ("amount", ("-5", "99.9")),
    "client_surveys": ("comment", ("changed",)),
    "peer_reviews": ("reviewer_department", ("studio",)),
    "staff": ("role", ("account_manager", "designer")),
    "client_assignments": ("valid_to", ("",)),
    "kpi_targets": ("target", ("0.9", "70")),
    "fx_rates": ("rate", ("26000.5",)),
}
ID_OF = {
    "clients": "client_id",
    "proposals": "proposal_id",
    "contracts": "contract_id",
    "projects": "project_id",
    "project_costs": "cost_id",
    "client_surveys": "response_id",
    "peer_reviews": "review_id",
}


class Spoiler:
    """Distributes rows over runs; each key gets at most one treatment."""

    def __init__(self, random: Random, as_of: date, tables: Tables) -> None:
        self.random = random
        self.as_of = as_of
        self.tables = tables
        self.deliveries: list[dict[str, Table]] = [defaultdict(list) for _ in range(RUNS)]
        self.number = 0

    def moment(self, age: int) -> str:
        """An `updated_at` some days before as_of, in one of its writings; ages apart by 3 days never cross."""
        day = self.as_of - timedelta(days=age)
        hour = f"{self.random.randint(0, 23):02d}:{self.random.randint(0, 59):02d}"
        writings = [f"{day}", f"{day}T{hour}:00", f"{day}T{hour}:30.250", f"{day}T{hour}:00Z", f"{day}T{hour}:00+07:00"]
        return self.random.choice(writings)

    def put(self, run: int, extract: str, row: dict[str, str], **more: str) -> None:
        """Deliver a row in a run."""
        self.deliveries[run][extract].append({**row, **more})

    def deliver(self, extract: str, row: dict[str, str]) -> None:
        """Deliver a row in one of the ways in which rows come, over the runs."""
        put, random = self.put, self.random
        column, changes = CHANGES[extract]
        other = {**row, column: random.choice(changes)}
        keys = {c.name for c in EXTRACTS[extract] if c.key}
        gone = {name: cell if name in keys or random.random() < 0.3 else "" for name, cell in row.items()}
        gone["is_deleted"] = random.choice(["true", "1", "Yes"])
        first, second = sorted(random.sample(range(RUNS), 2))
        way = random.choices(range(13), [60, 4, 4, 4, 4, 4, 4, 3, 3, 3, 3, 3, 3])[0]
        if way == 0:  # once
            put(
                random.randrange(RUNS),
                extract,
                row,
                **({"updated_at": self.moment(50)} if random.random() < 0.3 else {}),
            )
        elif way == 1:  # corrected
            put(first, extract, other, updated_at=self.moment(60))
            put(second, extract, row, updated_at=self.moment(50))
        elif way == 2:  # an older version comes late
            put(first, extract, row, updated_at=self.moment(50))
            put(second, extract, other, updated_at=self.moment(60))
        elif way == 3:  # equal moments: the later delivery wins
            same = self.moment(55)
            put(first, extract, other, updated_at=same)
            put(second, extract, row, updated_at=same)
        elif way == 4:  # equal moments in one run
            same = self.moment(55)
            put(first, extract, other, updated_at=same)
            put(first, extract, row, updated_at=same)
        elif way == 5:  # no moment: the later delivery wins
            put(first, extract, other)
            put(second, extract, row)
        elif way == 6:  # a moment wins over none, though earlier
            put(first, extract, row, updated_at=self.moment(70))
            put(second, extract, other)
        elif way == 7:  # deleted
            put(first, extract, row)
            put(second, extract, gone, updated_at=self.moment(40))
        elif way == 8:  # deleted without a moment, later
            put(first, extract, row)
            put(second, extract, gone)
        elif way == 9:  # an old deletion comes late
            put(first, extract, row, updated_at=self.moment(50), is_deleted=random.choice(["", "false", "No"]))
            put(second, extract, gone, updated_at=self.moment(60))
        elif way == 10:  # deleted before it comes, newer
            put(first, extract, gone, updated_at=self.moment(40))
            put(second, extract, row, updated_at=self.moment(50))
        elif way == 11:  # deleted and back again
            put(0, extract, row, updated_at=self.moment(60))
            put(1, extract, gone, updated_at=self.moment(50))
            put(2, extract, other, updated_at=self.moment(40))
        else:  # the newer version is bad: the older stays
            bad = self.bad(extract, row)
            put(first, extract, row, updated_at=self.moment(60))
            if bad is not None:
                put(second, extract, bad, updated_at=self.moment(50))

    def fresh(self, extract: str) -> dict[str, str]:
        """A good row of a key of its own."""
        self.number += 1
        row = dict(self.random.choice(self.tables[extract]))
        if extract in ID_OF:
            row[ID_OF[extract]] = f"bad-{self.number}"
        elif extract == "staff":
            row["staff_id"] = f"bad-{self.number}"
        elif extract == "fx_rates":
            row["currency"] = "SGD"
        elif extract == "kpi_targets":
            row["valid_from"] = f"{1900 + self.number}-01-01"
        else:
            row["valid_from"] = f"{1900 + self.number}-01-01"
            row["valid_to"] = ""
        return row

    def bad(self, extract: str, row: dict[str, str]) -> dict[str, str] | None:
        """The row, made bad by a rule other than malformed_row, its key as it was; None where the draw does not fit."""
        random = self.random
        columns = EXTRACTS[extract]
        row = dict(row)
        plain = [c for c in columns if not c.key and c.name not in ("updated_at", "is_deleted")]
        reason = random.choice(["missing", "type", "enum", "range", "order", "reference", "rate", "several"])
        if reason in ("missing", "several"):
            wanted = [c.name for c in plain if c.required]
            if extract == "proposals" and row["outcome"] in ("won", "lost"):
                wanted.append("decided_date")
            row[random.choice(wanted)] = random.choice(["", "   "])
        if reason in ("type", "several"):
            junk = {
                "date": ("2026-02-30", "30/01/2026", "2026-1-5", "soon"),
                "number": ("1,2,3", "NaN", "inf", "-Infinity", "12 000", "abc", "1_000"),
                "bool": ("maybe", "2"),
            }
            typed = [c for c in plain if c.type in junk]
            if not typed:
                return None
            column = random.choice(typed)
            row[column.name] = random.choice(junk[column.type])
        elif reason == "enum":
            listed = ("kind", "outcome") if extract == "fx_rates" else ("kind", "outcome", "currency")
            choices = [name for name in listed if name in row]
            if not choices:
                return None
            row[random.choice(choices)] = random.choice(["other", "usd", "US", "VNDD", "Won"])
        elif reason == "range":
            for name in NOT_NEGATIVE.get(extract, ()):
                row[name] = "-1"
            if extract == "fx_rates":
                row["rate"] = random.choice(["0", "-3"])
            if extract in SCORES:
                if random.random() < 0.5:
                    row[SCORES[extract][0]] = random.choice(["99", "-99"])
                else:
                    row |= dict.fromkeys(SCORES[extract], "") | {
                        "scale_min": "5",
                        "scale_max": random.choice(["5", "1"]),
                    }
            elif extract not in NOT_NEGATIVE and extract != "fx_rates":
                return None
        elif reason == "order":
            if extract not in DATE_ORDERS:
                return None
            later, earlier = DATE_ORDERS[extract]
            row[later] = str(date.fromisoformat(row[earlier]) - timedelta(days=random.choice([1, 30])))
        elif reason == "reference":
            names = [name for name, _ in REFERENCES.get(extract, ()) if name not in [c.name for c in columns if c.key]]
            if not names:
                return None
            row[random.choice(names)] = "nobody"
        elif reason == "rate":
            if extract not in MONEY_DATES:
                return None
            row["currency"] = random.choice(["CHF", "JPY"])
            if extract == "projects":
                row["budget_amount"] = random.choice(["5", "0"])
        return row

    def bad_keys(self) -> None:
        """Bad rows whose key itself, or moment, is what is wrong."""
        for extract, name, cell in (
            ("clients", "client_id", ""),
            ("contracts", "contract_id", " "),
            ("staff", "valid_from", "2026-13-01"),
            ("client_assignments", "client_id", "nobody"),
            ("client_assignments", "valid_from", "yesterday"),
            ("fx_rates", "currency", "usd"),
            ("fx_rates", "rate_date", ""),
            ("kpi_targets", "kpi", "profit"),
            ("kpi_targets", "scope", "world"),
            ("kpi_targets", "period_grain", "week"),
            ("kpi_targets", "staff_id", "nobody"),
            ("kpi_targets", "role", "account_manager"),
            ("projects", "updated_at", "yesterday"),
            ("proposals", "is_deleted", "perhaps"),
        ):
            row = self.fresh(extract)
            if extract == "kpi_targets" and name in ("staff_id", "role"):
                row |= {"scope": "own", "role": "", "staff_id": "D0", name: cell}
            if extract == "kpi_targets" and self.random.random() < 0.2:
                row |= {"scope": "company", "staff_id": "D0", "role": ""}
            self.put(self.random.randrange(RUNS), extract, row, **{name: cell})

    def released(self) -> None:
        """Rows that wait for a rate or a reference which a later run brings; and a rate that a later run takes away."""
        contract = self.fresh("contracts")
        self.put(
            0, "contracts", contract, currency="JPY", owner_id="", signed_date=str(self.as_of - timedelta(days=90))
        )
        rate = {"currency": "JPY", "rate_date": str(self.as_of - timedelta(days=100)), "rate": "170.5"}
        self.put(self.random.choice([1, 2]), "fx_rates", rate)
        self.put(0, "contracts", self.fresh("contracts"), client_id="C-new")
        self.put(0, "project_costs", self.fresh("project_costs"), project_id="J-new")
        self.put(1, "projects", self.fresh("projects"), project_id="J-new", client_id="C-new")
        self.put(2, "clients", {"client_id": "C-new", "client_name": "New"})
        if self.random.random() < 0.5:
            late = {"currency": "CHF", "rate_date": "2000-01-01", "rate": "28000"}
            self.put(0, "fx_rates", late)
            self.put(2, "fx_rates", {"currency": "CHF", "rate_date": "2000-01-01"}, is_deleted="true")

    def spoil(self) -> list[dict[str, bytes]]:
        """All runs' files."""
        never = self.random.choice(list(EXTRACTS)) if self.random.random() < 0.35 else None
        for extract, table in self.tables.items():
            self.random.shuffle(table)
            for row in table:
                self.deliver(extract, row)
            for _ in range(max(1, len(table) // 25)):
                spoiled = self.bad(extract, self.fresh(extract))
                if spoiled is not None:
                    self.put(self.random.randrange(RUNS), extract, spoiled)
        self.bad_keys()
        self.released()
        runs: list[dict[str, bytes]] = []
        for number, delivery in enumerate(self.deliveries):
            run: dict[str, bytes] = {}
            for extract in EXTRACTS:
                if extract != never:
                    self.files(run, number, extract, delivery[extract])
            self.bad_files(run, number, never)
            if runs and self.random.random() < 0.8:  # known bytes again, under another name
                path, data = self.random.choice(sorted(runs[-1].items()))
                run[f"{path.split('/')[0]}/again-{number}.csv"] = data
            runs.append(run)
        return runs

    def files(self, run: dict[str, bytes], number: int, extract: str, rows: Table) -> None:
        """One or two files of an extract's rows in a run."""
        cut = len(rows) if self.random.random() < 0.6 else self.random.randint(0, len(rows))
        for part, table in enumerate((rows[:cut], rows[cut:])):
            if table:
                name = f"{self.random.choice('bmz')}-{number}-{part}.csv"
                run[f"{extract}/{name}"] = self.file(extract, table)

    def file(self, extract: str, table: Sequence[dict[str, str]]) -> bytes:
        """A file in one of the writings: delimiter, header, order of columns, extra columns, line ends, encoding."""
        random = self.random
        columns = [
            c.name
            for c in EXTRACTS[extract]
            if c.required or any(r.get(c.name) for r in table) or random.random() < 0.5
        ]
        if random.random() < 0.5:
            random.shuffle(columns)
        if random.random() < 0.3:
            columns.insert(random.randint(0, len(columns)), "Ghi chú")
        delimiter = random.choice(",,;\t|")
        text = write([{**row, "Ghi chú": "x"} for row in table], columns, delimiter, random.choice(["\n", "\r\n"]))
        header, _, rest = text.partition("\n")
        if random.random() < 0.5:
            ways = (
                str.upper,
                str.title,
                lambda s: s.replace("_", " "),
                lambda s: s.replace("_", "-"),
                lambda s: f" {s} ",
            )
            names = [random.choice(ways)(name) for name in header.rstrip("\r").split(delimiter)]
            header = delimiter.join(names) + "\r" * header.endswith("\r")
        text = f"{header}\n{rest}"
        if random.random() < 0.25:  # malformed rows: a field too few or too many
            for count in (len(columns) - 1, len(columns) + 1):
                text += delimiter.join(["bad"] * count) + "\n"
        draw = random.random()
        if draw < 0.05:
            return text.encode("utf-16")
        return text.encode("utf-8-sig" if draw < 0.35 else "utf-8")

    def bad_files(self, run: dict[str, bytes], number: int, never: str | None) -> None:
        """Files that are rejected, and files of nothing."""
        extract = self.random.choice([name for name in EXTRACTS if name != never])
        columns = [c.name for c in EXTRACTS[extract]]
        row = self.tables[extract][0]
        lacking = [c for c in columns if c != columns[0]]
        texts = {
            "lacking": write([row], lacking),
            "twice": write([row], [*columns, columns[-3].upper().replace("_", "-")]),
            "quote": write([row], columns) + '"never closed,\n' + write([row], columns),
            "header": write([], columns),
            "empty": "",
        }
        for name in self.random.sample(sorted(texts), 3):
            # a file of nothing never is an extract's first (open whether it counts as delivered)
            if name not in ("header", "empty") or number > 0:
                run[f"{extract}/x-{name}-{number}.csv"] = texts[name].encode()
        if self.random.random() < 0.3:
            run[f"invoices/{number}.csv"] = b"invoice_id\n1\n"


def spoil(random: Random, as_of: date, tables: Tables) -> list[dict[str, bytes]]:
    """The agency's tables as dirty runs."""
    return Spoiler(random, as_of, tables).spoil()
