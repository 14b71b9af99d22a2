"""From facts to what one reader reads: every figure of a scorecard is chosen and worded here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from amkpi.core.catalogue import Kpi, kpis
from amkpi.core.language import formatting
from amkpi.core.language.i18n import Speech, given_name, name_key, plain
from amkpi.core.language.periods import Period
from amkpi.scorecards.data_warnings import caveats_for
from amkpi.scorecards.drivers import Behind
from amkpi.scorecards.facts import REVENUE, Facts, Line, Record, Score, Subject, Value
from amkpi.scorecards.mail.history import LastTold, ValueKey, moved
from amkpi.scorecards.model import (
    SIGNS,
    Attention,
    Card,
    Cell,
    Definition,
    EvidenceRow,
    KpiLine,
    Matrix,
    MatrixRow,
    Point,
    ScoreBar,
    Scorecard,
    Told,
)
from amkpi.scorecards.recipients import Recipient
from amkpi.scorecards.restatements import Cause

TREND = 6
MOST_ATTENTION = 3
MOST_FULL_CARDS = 4
MOST_CHANGES = 6

NothingTold: Mapping[ValueKey, LastTold] = {}


def unknown_cause(key: ValueKey, then: LastTold) -> Cause:
    """When nobody can look into the warehouse."""
    return Cause.unknown


def compose(
    facts: Facts,
    recipient: Recipient,
    told: Mapping[ValueKey, LastTold] = NothingTold,
    cause: Callable[[ValueKey, LastTold], Cause] = unknown_cause,
) -> Scorecard | None:
    """The scorecard of one recipient, or None where the marts hold no row for them in the period.

    told: what this reader was last told about values of closed periods. cause: why such a value moved.
    """
    return _Composer(facts, recipient, told, cause).scorecard()


@dataclass(frozen=True)
class _Composer:
    facts: Facts
    recipient: Recipient
    told: Mapping[ValueKey, LastTold]
    cause: Callable[[ValueKey, LastTold], Cause]

    @property
    def speech(self) -> Speech:
        return Speech(self.recipient.language, self.facts.publication.currency)

    def scorecard(self) -> Scorecard | None:
        subjects = self._subjects()
        if not subjects:
            return None
        facts, speech, reader = self.facts, self.speech, self.recipient
        period = facts.period
        main = subjects[0]
        cards = tuple(self._card(subject) for subject in subjects)
        members = self._members()
        needing = [member for member in members if self._needs_help(member)][:MOST_FULL_CARDS]
        everyone = sorted(members, key=lambda member: (name_key(self._full_name(member)), member))
        missed = self._missed(main)
        changes = self._changes()
        chart = self._chart(main)
        score = facts.scores[main, period.start]
        return Scorecard(
            recipient=reader,
            grain=period.grain,
            period=period.key,
            publication_id=facts.publication.publication_id,
            published_at=facts.publication.published_at,
            as_of=facts.publication.as_of,
            is_provisional=score.is_provisional,
            subject=self._subject_line(main, len(missed)),
            heading=period.name(reader.language),
            eyebrow=speech.say("KPI scorecard · {whose}", whose=self._title(main)),
            personal=speech.say(
                "For {name} ({id}) only · {role}",
                name=plain(reader.person.full_name),
                id=plain(reader.staff_id),
                role=self._role(reader.person.role),
            ),
            state=(
                speech.say("Provisional · data as of {day}", day=formatting.day(facts.publication.as_of))
                if score.is_provisional
                else speech.say("Closed · data as of {day}", day=formatting.day(facts.publication.as_of))
            ),
            chart=chart,
            chart_title=speech.say("Weighted score over six periods"),
            chart_text="; ".join(f"{bar.period} {bar.text}" + (f" ({bar.rating})" if bar.rating else "")
                                 for bar in chart),
            attention_title=self._attention_title(missed, score),
            attention=tuple(self._attention(main, kpi) for kpi in missed[:MOST_ATTENTION]),
            cards=cards,
            matrix=self._matrix(members) if members else None,
            people_title=speech.say("Who needs attention most"),
            people_in_mail=tuple(self._card(Subject("own", member)) for member in needing),
            everyone=tuple(self._card(Subject("own", member)) for member in everyone),
            changes=changes[:MOST_CHANGES],
            changes_more=(
                speech.count("{n} more is in the PDF", "{n} more are in the PDF", len(changes) - MOST_CHANGES)
                if len(changes) > MOST_CHANGES
                else ""
            ),
            all_changes=changes,
            warnings=caveats_for(facts, reader, speech),
            definitions=tuple(
                Definition(speech.choose(kpi.label), speech.choose(kpi.question), speech.choose(kpi.formula))
                for kpi in kpis()
            ),
            evidence=self._evidence(main),
            told=self._told_now(subjects, members),
            words=_headings(speech, period.before()),
        )  # fmt: skip

    def _subjects(self) -> tuple[Subject, ...]:
        """Whose scorecards this mail holds, the widest first."""
        reader = self.recipient
        wanted = (
            (reader.company, Subject("company", None)),
            (reader.leads, Subject("team", reader.staff_id)),
            (reader.own, Subject("own", reader.staff_id)),
        )
        start = self.facts.period.start
        return tuple(subject for due, subject in wanted if due and (subject, start) in self.facts.scores)

    def _members(self) -> list[str]:
        """The people of the reader's team who have a scorecard in this period, those who need help most first."""
        start = self.facts.period.start
        found = [m for m in self.recipient.team if (Subject("own", m), start) in self.facts.scores]
        return sorted(found, key=lambda m: (-self._shortfall(m), name_key(self._full_name(m)), m))

    def _shortfall(self, member: str) -> float:
        lines = (self._line(Subject("own", member), kpi) for kpi in kpis())
        return sum(line.shortfall for line in lines if line)

    def _needs_help(self, member: str) -> bool:
        lines = (self._line(Subject("own", member), kpi) for kpi in kpis())
        return any(line is not None and line.status == "off_target" for line in lines)

    def _missed(self, subject: Subject) -> list[Kpi]:
        """The KPIs below target, by how much of the score each costs."""
        short = []
        for kpi in kpis():
            line = self._line(subject, kpi)
            if line and line.status in ("at_risk", "off_target"):
                short.append((-line.shortfall, kpi.number, kpi))
        return [kpi for *_, kpi in sorted(short, key=lambda each: each[:2])]

    def _line(self, subject: Subject, kpi: Kpi, period: Period | None = None) -> Line | None:
        return self.facts.lines.get((subject, kpi.name, (period or self.facts.period).start))

    def _value(self, subject: Subject, kpi: Kpi, period: Period | None = None) -> Value | None:
        return self.facts.values.get((subject, kpi.name, (period or self.facts.period).start))

    def _full_name(self, staff_id: str) -> str:
        person = self.facts.people.get(staff_id)
        return plain(person.full_name) if person else staff_id

    def _title(self, subject: Subject) -> str:
        if subject.scope == "company":
            return self.speech.say("Whole company")
        assert subject.staff_id is not None
        if subject.scope == "team":
            return self.speech.say("{name}'s team", name=given_name(self._full_name(subject.staff_id)))
        return self._full_name(subject.staff_id)

    def _role(self, role: str) -> str:
        known = {
            "account_executive": self.speech.say("account executive"),
            "account_manager": self.speech.say("account manager"),
            "senior_account_manager": self.speech.say("senior account manager"),
            "account_director": self.speech.say("account director"),
            "group_account_director": self.speech.say("group account director"),
            "managing_director": self.speech.say("managing director"),
        }
        return known.get(role, plain(role.replace("_", " ")))

    def _subject_line(self, main: Subject, missed: int) -> str:
        score = self.facts.scores[main, self.facts.period.start]
        if score.score is None:
            mark = self.speech.say("not scored yet")
        else:
            mark = self.speech.number(score.score)
            mark += f" ({score.rating})" if score.rating else f" ({self.speech.say('not rated')})"
        if missed:
            news = self.speech.count("{n} KPI needs attention", "{n} KPIs need attention", missed)
        elif score.score is None:
            news = self.speech.say("nothing to compare with a target")
        else:
            news = self.speech.say("all on target")
        return f"{self.facts.period.short(self.recipient.language)} · {self._title(main)}: {mark}, {news}"

    def _attention_title(self, missed: list[Kpi], score: Score) -> str:
        if not missed and score.score is None:
            return self.speech.say("No KPI has a target to be compared with")
        if not missed:
            return self.speech.say("Nothing needs attention: no KPI is below its target")
        if len(missed) <= MOST_ATTENTION:
            return self.speech.count("{n} KPI needs attention", "{n} KPIs need attention", len(missed))
        return self.speech.say(
            "{n} KPIs need attention; these {most} cost the most points",
            n=self.speech.number(len(missed)),
            most=self.speech.number(MOST_ATTENTION),
        )

    def _attention(self, subject: Subject, kpi: Kpi) -> Attention:
        line, value = self._line(subject, kpi), self._value(subject, kpi)
        assert line is not None
        assert value is not None
        return Attention(
            label=self.speech.choose(kpi.label),
            finding=self.speech.say(
                "{actual} against a target of {target} ({attained} attained)",
                actual=self.speech.value(value.value, kpi.unit),
                target=self.speech.value(line.target, kpi.unit),
                attained=_attained(self.speech, line),
            ),
            status=line.status,
            status_word=_status_word(self.speech, line.status),
            sign=SIGNS[line.status],
            records=Behind(self.facts, self.recipient, self.speech).name(subject, kpi),
        )

    def _card(self, subject: Subject) -> Card:
        speech, start = self.speech, self.facts.period.start
        score = self.facts.scores[subject, start]
        before = self.facts.scores.get((subject, self.facts.period.before().start))
        person = self.facts.people.get(subject.staff_id or "")
        subtitle = self._role(person.role) if person else ""
        if subject.scope == "company":
            subtitle = speech.say("Everything, work without an owner included")
        elif subject.scope == "team":
            subtitle = speech.count("{n} person below", "{n} people below", len(self._members()))
        title = self._title(subject)
        if subject.scope == "own" and subject.staff_id == self.recipient.staff_id:
            title = speech.say("Your own")
        return Card(
            scope=subject.scope,
            staff_id=subject.staff_id,
            title=title,
            subtitle=subtitle,
            score=speech.number(score.score, 1),
            rating=score.rating or speech.say("not rated"),
            change=self._score_change(score, before),
            note=self._score_note(score),
            lines=tuple(self._kpi_line(subject, kpi) for kpi in kpis()),
        )

    def _score_change(self, now: Score, before: Score | None) -> str:
        if now.score is None or before is None or before.score is None:
            return ""
        gone = self.facts.period.before().short(self.recipient.language)
        points = self.speech.number(abs(now.score - before.score), 1)
        if points == self.speech.number(0.0, 1):
            return self.speech.say("same as {period}", period=gone)
        if now.score > before.score:
            return self.speech.say("{points} points better than {period}", points=points, period=gone)
        return self.speech.say("{points} points worse than {period}", points=points, period=gone)

    def _score_note(self, score: Score) -> str:
        scored = self.speech.say("{n} of {all} KPIs scored", n=score.kpis_scored, all=len(kpis()))
        if score.weight_covered is None:
            return scored
        return f"{scored} · " + self.speech.say(
            "{share} of the weight", share=self.speech.percent(score.weight_covered)
        )

    def _kpi_line(self, subject: Subject, kpi: Kpi) -> KpiLine:
        speech = self.speech
        line = self._line(subject, kpi) or Line(None, None, None, None, "no_data")
        value = self._value(subject, kpi) or Value(None, None, None, 0, False, kpi.null_reason)
        movement, movement_text = self._movement(subject, kpi, line, value)
        trend = self._trend(subject, kpi)
        return KpiLine(
            kpi=kpi.name,
            label=speech.choose(kpi.label),
            actual=speech.value(value.value, kpi.unit),
            target=speech.value(line.target, kpi.unit),
            attained=_attained(speech, line),
            status=line.status,
            status_word=_status_word(speech, line.status),
            sign=SIGNS[line.status],
            movement=movement,
            movement_text=movement_text,
            basis=self._basis(kpi, value),
            trend=trend,
            trend_text="; ".join(f"{point.period} {point.text}" for point in trend),
        )

    def _movement(self, subject: Subject, kpi: Kpi, line: Line, value: Value) -> tuple[str, str]:
        """Better or worse than the period before, and by how much in the KPI's own unit."""
        if line.change is None:
            return "none", ""
        speech = self.speech
        if kpi.unit == "money" and value.is_provisional:
            # Part of a period against a whole one says nothing about better or worse.
            before = self._value(subject, kpi, self.facts.period.before())
            whole = speech.value(before.value if before else None, kpi.unit)
            name = self.facts.period.before().short(self.recipient.language)
            return "none", speech.say("{period} in whole: {amount}", period=name, amount=whole)
        size, unit = abs(line.change), kpi.unit
        amount = {
            "money": lambda: speech.value(size, unit),
            "ratio": lambda: speech.say("{n} percentage points", n=formatting.percent(size, 1, speech.language)),
            "score": lambda: speech.say("{n} points", n=speech.number(size, 1)),
        }[unit]()
        if not any(sign in "123456789" for sign in amount):
            return "same", speech.say("unchanged")
        if (line.change > 0) == (kpi.better == "higher"):
            return "better", speech.say("better by {amount}", amount=amount)
        return "worse", speech.say("worse by {amount}", amount=amount)

    def _basis(self, kpi: Kpi, value: Value) -> str:
        """n of N, or why there is no value."""
        speech = self.speech
        sample = f"{speech.number(value.sample_size)} {speech.choose(kpi.sample)}"
        if value.value is None:
            return self._reason(value.null_reason)
        if kpi.denominator is None or value.numerator is None or value.denominator is None:
            return sample
        if kpi.name == "cost_to_budget_ratio":
            spent = speech.say(
                "{cost} of {budget}",
                cost=speech.value(value.numerator, "money"),
                budget=speech.value(value.denominator, "money"),
            )
            return f"{spent} · {sample}"
        return speech.say("{part} of {sample}", part=speech.number(value.numerator), sample=sample)

    def _reason(self, reason: str | None) -> str:
        say = self.speech.say
        return {
            "no_opening_clients": say("no client at the start of the period"),
            "nothing_due": say("no project was due"),
            "no_responses": say("no survey was answered"),
            "no_proposals": say("no proposal was sent"),
            "nothing_delivered": say("no project with budget and costs was delivered"),
            "no_reviews": say("no review was given"),
            "too_few_raters": say("too few reviewers to show a value"),
            "period_running": say("shown when the period is over"),
        }.get(reason or "", say("no data"))

    def _trend(self, subject: Subject, kpi: Kpi) -> tuple[Point, ...]:
        periods = self.facts.period.last(TREND)
        values = [self._value(subject, kpi, period) for period in periods]
        top = max((abs(v.value) for v in values if v and v.value is not None), default=0.0)
        points = []
        for period, value in zip(periods, values, strict=True):
            number = value.value if value else None
            height = None if number is None else round(100 * max(0.0, number) / top) if top else 0
            points.append(Point(period.axis(self.recipient.language), self.speech.brief(number, kpi.unit), height))
        return tuple(points)

    def _chart(self, subject: Subject) -> tuple[ScoreBar, ...]:
        bars = []
        for period in self.facts.period.last(TREND):
            score = self.facts.scores.get((subject, period.start))
            number = score.score if score else None
            bars.append(
                ScoreBar(
                    period.axis(self.recipient.language),
                    number,
                    self.speech.number(number, 1),
                    (score.rating or "") if score else "",
                )
            )
        return tuple(bars)

    def _matrix(self, members: list[str]) -> Matrix:
        speech, start = self.speech, self.facts.period.start
        rows = []
        for member in members:
            subject = Subject("own", member)
            score = self.facts.scores[subject, start]
            cells = []
            for kpi in kpis():
                line = self._line(subject, kpi) or Line(None, None, None, None, "no_data")
                text = "" if line.attainment is None else _attained(speech, line).removesuffix("%")
                cells.append(Cell(text, SIGNS[line.status], line.status))
            rows.append(
                MatrixRow(self._full_name(member), speech.number(score.score), score.rating or "–", tuple(cells))
            )
        left = len(self.recipient.team) - len(members)
        return Matrix(
            title=speech.say("Your people: per cent of target attained"),
            heads=tuple((_short_label(speech, kpi), speech.choose(kpi.label)) for kpi in kpis()),
            rows=tuple(rows),
            legend=tuple((s, SIGNS[s], _status_word(speech, s), _status_meaning(speech, s)) for s in SIGNS),
            note=(
                speech.count(
                    "{n} more person below you has no scorecard in this period",
                    "{n} more people below you have no scorecard in this period",
                    left,
                )
                if left
                else ""
            ),
        )

    def _changes(self) -> tuple[str, ...]:
        """Every value of a closed period that is another one than this reader was last told."""
        found = []
        for key, then in self.told.items():
            scope, staff_id, kpi_name, grain, start = key
            if grain != self.facts.period.grain or not self._may_read(scope, staff_id):
                continue
            subject = Subject(scope, staff_id)
            value = self.facts.values.get((subject, kpi_name, start))
            now = value.value if value else None
            if not moved(then.value, now):
                continue
            kpi = next(each for each in kpis() if each.name == kpi_name)
            period = _period_from(grain, start)
            width = {"company": 0, "team": 1}.get(scope, 2 if staff_id == self.recipient.staff_id else 3)
            whose = (
                self.speech.say("Your own")
                if scope == "own" and staff_id == self.recipient.staff_id
                else self._title(subject)
            )
            text = self.speech.say(
                "{kpi}, {period}, {whose}: {then} → {now} ({cause})",
                kpi=self.speech.choose(kpi.label),
                period=period.short(self.recipient.language),
                whose=whose,
                then=self.speech.value(then.value, kpi.unit),
                now=self.speech.value(now, kpi.unit),
                cause=_cause_word(self.speech, self.cause(key, then)),
            )
            found.append((width, -start.toordinal(), kpi.number, staff_id or "", text))
        return tuple(text for *_, text in sorted(found))

    def _may_read(self, scope: str, staff_id: str | None) -> bool:
        reader = self.recipient
        if scope == "company":
            return reader.company
        if scope == "team":
            return staff_id == reader.staff_id and reader.leads
        return staff_id == reader.staff_id or staff_id in reader.team

    def _told_now(self, subjects: tuple[Subject, ...], members: list[str]) -> tuple[Told, ...]:
        """The values of closed periods that this mail tells: of its cards with their trends, of people without."""
        grain, this = self.facts.period.grain, self.facts.period
        told = [
            Told(subject.scope, subject.staff_id, kpi.name, grain, period.start, value.value)
            for subjects_, periods in (
                (subjects, this.last(TREND)),
                (tuple(Subject("own", member) for member in sorted(members)), (this,)),
            )
            for subject in subjects_
            for period in periods
            for kpi in kpis()
            if (value := self._value(subject, kpi, period)) is not None and not value.is_provisional
        ]
        return tuple(told)

    def _evidence(self, main: Subject) -> tuple[EvidenceRow, ...]:
        rows: list[Record] = [record for kpi in kpis() for record in self.facts.records_of(main, kpi.name)]
        return tuple(
            EvidenceRow(
                kpi=self.speech.choose(next(kpi.label for kpi in kpis() if kpi.name == record.kpi)),
                person=self._full_name(record.staff_id)
                if record.staff_id and self.recipient.may_name(record.staff_id)
                else "",
                client_id=plain(record.client_id or ""),
                client=plain(self.facts.client_names.get(record.client_id or "", "")),
                event_date=record.event_date,
                extract=record.extract or "",
                source_id=plain(record.source_id or ""),
                numerator=record.numerator,
                denominator=record.denominator,
            )
            for record in rows
        )


def _period_from(grain: str, start: date) -> Period:
    months = {"month": 1, "quarter": 3}.get(grain, 12)
    place = start.year * 12 + start.month - 1 + months - 1
    return Period.ending(grain, date(place // 12, place % 12 + 1, 1))


def _attained(speech: Speech, line: Line) -> str:
    """Per cent of target; with a place more where a whole number would belie the status: 99,9%, not 100% at risk."""
    if line.attainment is None:
        return "–"
    share = 100 * Decimal(repr(line.attainment))
    for edge in (90, 100):
        if edge - Decimal("0.5") <= share < edge:
            return f"{formatting.number(min(share, edge - Decimal('0.1')), 1, speech.language)}%"
    return speech.percent(line.attainment)


def _status_word(speech: Speech, status: str) -> str:
    return {
        "on_target": speech.say("On target"),
        "at_risk": speech.say("At risk"),
        "off_target": speech.say("Off target"),
        "no_target": speech.say("No target"),
        "no_data": speech.say("No data"),
    }[status]


def _status_meaning(speech: Speech, status: str) -> str:
    return {
        "on_target": speech.say("100% or more"),
        "at_risk": speech.say("90 to 99%"),
        "off_target": speech.say("below 90%"),
    }.get(status, "")


def _cause_word(speech: Speech, cause: Cause) -> str:
    return {
        Cause.late_rows: speech.say("rows that came late"),
        Cause.corrected_rows: speech.say("rows that were corrected"),
        Cause.deleted_rows: speech.say("rows that were deleted"),
        Cause.released_rows: speech.say("rows released from quarantine"),
        Cause.settings_or_version: speech.say("another setting or version"),
        Cause.unknown: speech.say("cause not known any more"),
    }[cause]


def _short_label(speech: Speech, kpi: Kpi) -> str:
    return {
        REVENUE: speech.say("Rev."),
        "client_retention_rate": speech.say("Kept"),
        "on_time_delivery_rate": speech.say("Time"),
        "client_satisfaction": speech.say("Sat."),
        "contract_win_rate": speech.say("Won"),
        "upsell_cross_sell_rate": speech.say("Upsell"),
        "cost_to_budget_ratio": speech.say("Cost"),
        "internal_collaboration_score": speech.say("Collab."),
    }[kpi.name]


def _headings(speech: Speech, before: Period) -> dict[str, str]:
    """The words that stand in every scorecard."""
    say = speech.say
    return {
        "score": say("Weighted score"),
        "rating": say("Rating"),
        "kpi": say("KPI"),
        "actual": say("Actual"),
        "target": say("Target"),
        "target_of": say("target"),
        "attained": say("Attained"),
        "of_target": say("of target"),
        "against": say("Against {period}", period=before.short(speech.language)),
        "status": say("Status"),
        "trend": say("Six periods"),
        "person": say("Person"),
        "behind": say("Behind it"),
        "changed": say("Changed since the last mail"),
        "warnings": say("Data warnings"),
        "score_and_rating": say("Weighted score and rating"),
        "everyone": say("Everybody's scorecard is in the attached PDF."),
        "most_help": say("Those who need attention most; everybody is in the attached PDF."),
        "all_people": say("All people"),
        "definitions": say("What the KPIs mean"),
        "page": say("page"),
        "legend": say("Legend"),
        "footer": say("Internal. Do not forward: this mail was made for you alone."),
        "compared": say("Better and worse: against {period}. Attained: per cent of target.",
                        period=before.short(speech.language)),
        "publication": say("Publication"),
        "evidence": say("Evidence"),
        "client": say("Client"),
        "client_id": say("Client id"),
        "date": say("Date"),
        "extract": say("Extract"),
        "record": say("Record"),
        "numerator": say("Numerator"),
        "denominator": say("Denominator"),
    }  # fmt: skip
