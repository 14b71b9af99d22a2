"""What every section of a mail is composed from: the facts, the reader, and the reader's language."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

from amkpi.core.catalogue import Kpi
from amkpi.core.language import formatting
from amkpi.core.language.formatting import Formatter
from amkpi.core.language.names import given_name, plain
from amkpi.core.language.periods import Period
from amkpi.core.language.translation import Language, Translation
from amkpi.core.language.translator import Message, Translator
from amkpi.core.undecided import shown_status
from amkpi.scorecards.facts import Facts, KpiValue, ScopeMember, ScorecardLine
from amkpi.scorecards.page_links import NO_PAGES, PageLinks
from amkpi.scorecards.recipients import Recipient
from amkpi.scorecards.scores import ShownScore

# Of the trends and of the chart.
PERIODS_SHOWN = 6
# The statuses of a KPI that misses its target.
MISSED = ("at_risk", "off_target")
_ROLES = {
    "account_executive": Message("account executive"),
    "account_manager": Message("account manager"),
    "senior_account_manager": Message("senior account manager"),
    "account_director": Message("account director"),
    "group_account_director": Message("group account director"),
    "managing_director": Message("managing director"),
}


@dataclass(frozen=True)
class ReaderContext:
    """The facts of a period as one reader may see them, with the reader's translator and formatter.

    links: from a mail to the pages.
    """

    facts: Facts
    recipient: Recipient
    links: PageLinks = field(default=NO_PAGES, kw_only=True)

    @property
    def language(self) -> Language:
        """The reader's language."""
        return self.recipient.language

    def t(self, text: str | Message, /, **values: object) -> str:
        """A text in the reader's language, as `Translator.t`."""
        return Translator(self.language).t(text, **values)

    def n(self, singular: str, plural: str, count: int, /, **values: object) -> str:
        """A text that depends on a count, as `Translator.n`."""
        return Translator(self.language).n(singular, plural, count, **values)

    @cached_property
    def figures(self) -> Formatter:
        """Formats figures for the reader, with the sign of the reporting currency."""
        return Formatter.with_symbol(self.language, self.facts.publication.currency)

    @property
    def period(self) -> Period:
        """The period of the mail."""
        return self.facts.period

    def choose(self, text: Translation) -> str:
        """A text of the KPI catalogue in the reader's language."""
        return text[self.language]

    def members(self) -> tuple[ScopeMember, ...]:
        """Whose scorecards this mail contains, the widest scope first; those without a row in the period are left out.

        The first is the one that the mail is about.
        """
        reader = self.recipient
        wanted = (
            (reader.company, ScopeMember("company", None)),
            (reader.leads, ScopeMember("team", reader.staff_id)),
            (reader.own, ScopeMember("own", reader.staff_id)),
        )
        return tuple(member for due, member in wanted if due and (member, self.period.start) in self.facts.scores)

    def team(self) -> list[str]:
        """The staff ids of the reader's people who have a scorecard in this period."""
        start = self.period.start
        return [m for m in self.recipient.team if (ScopeMember("own", m), start) in self.facts.scores]

    def line(self, member: ScopeMember, kpi: Kpi) -> ScorecardLine | None:
        """The scorecard line of a KPI in the mail's period.

        Its status is `still_open` instead of off_target where undecided records can still bring it to its target, and
        `too_early` instead of at_risk and off_target in the first days of a period.
        """
        line, value = self.facts.lines.get((member, kpi.name, self.period.start)), self.value(member, kpi)
        if line is None or value is None:
            return line
        status = shown_status(line.status, value.numerator, value.denominator, value.undecided, line.target)
        if status in MISSED and self.facts.is_too_early(member):
            status = "too_early"
        return replace(line, status=status)

    def value(self, member: ScopeMember, kpi: Kpi, period: Period | None = None) -> KpiValue | None:
        """The value of a KPI; in the mail's period without another."""
        return self.facts.values.get((member, kpi.name, (period or self.period).start))

    def score(self, member: ScopeMember, period: Period | None = None) -> ShownScore:
        """The weighted score as readers see it; in the mail's period without another."""
        return self.facts.shown_score(member, period)

    @property
    def is_running(self) -> bool:
        """Whether the period is not over on the publication's date."""
        return self.facts.publication.as_of < self.period.end

    @property
    def is_partial(self) -> bool:
        """Whether the period holds fewer days than those it would be compared with."""
        return self.is_running and self.period.grain != "trailing_12m"

    def period_short(self) -> str:
        """The period in few words, and until which day a running one is known: `T11/2026, tạm tính đến 02/11`."""
        name = self.period.short(self.language)
        if not self.is_running:
            return name
        return self.t("{period}, provisional to {day}", period=name, day=formatting.day_and_month(self.facts.close))

    def full_name(self, staff_id: str) -> str:
        """A person's name; the id of a person whom dim_staff does not have."""
        person = self.facts.names.people.get(staff_id)
        return plain(person.full_name) if person else staff_id

    def title(self, member: ScopeMember) -> str:
        """A scorecard's title: the company, a team by its leader's given name, or a person."""
        if member.staff_id is None:
            return self.t("Whole company")
        name = self.full_name(member.staff_id)
        return self.t("{name}'s team", name=given_name(name)) if member.scope == "team" else name

    def title_for_reader(self, member: ScopeMember) -> str:
        """The same, but the reader's own scorecard is called so."""
        if member == ScopeMember("own", self.recipient.staff_id):
            return self.t("Your own")
        return self.title(member)

    def role(self, role: str) -> str:
        """A role of the staff extract in words."""
        return self.t(_ROLES[role]) if role in _ROLES else plain(role.replace("_", " "))
