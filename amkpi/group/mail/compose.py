"""The group's scorecard: the eight KPIs of the group, then each agency in a row, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property

from amkpi.core.agencies import Reader
from amkpi.core.catalogue import Kpi, kpis
from amkpi.core.language import formatting
from amkpi.core.language.formatting import Formatter
from amkpi.core.language.names import name_key, plain
from amkpi.core.language.terms import STATUS
from amkpi.core.language.translation import Language, Translation
from amkpi.core.language.translator import Message, Translator
from amkpi.group.mail.facts import GROUP, AgencyState, GroupFacts, Place
from amkpi.scorecards.compose.kpi_table import NO_LINE, basis_of, movement_of
from amkpi.scorecards.facts import KpiValue
from amkpi.scorecards.model import SIGNS, Cell, Matrix, MatrixRow

# More rows than a director reads, and than a mail holds that Gmail does not cut off.
MOST_AGENCIES = 40
# How many names a warning has.
_MOST_NAMES = 5
_ONE_AGENCY = Message("Within one agency only: reviews are not compared across agencies")


@dataclass(frozen=True)
class GroupLine:
    """One KPI of the group. movement: better or worse than the period before, empty where nothing is compared.

    status: empty for a KPI that the group does not have.
    """

    label: str
    actual: str
    target: str
    basis: str
    movement: str
    status: str
    sign: str
    status_word: str


@dataclass(frozen=True)
class GroupScorecard:
    """The content of one mail. score: a dash without targets of the group. table: regions and agencies."""

    reader: Reader
    grain: str
    period: str
    publication_id: str
    published_at: datetime
    as_of: date
    subject: str
    eyebrow: str
    heading: str
    state: str
    score: str
    rating: str
    lead: tuple[str, ...]
    lines: tuple[GroupLine, ...]
    table: Matrix
    warnings: tuple[str, ...]
    labels: Mapping[str, str]


@dataclass(frozen=True)
class _Context:
    """The facts, and how one reader's texts and figures are written."""

    facts: GroupFacts
    language: Language

    def t(self, text: str | Message, /, **values: object) -> str:
        return Translator(self.language).t(text, **values)

    def n(self, singular: str, plural: str, count: int, /, **values: object) -> str:
        return Translator(self.language).n(singular, plural, count, **values)

    def choose(self, text: Translation) -> str:
        return text[self.language]

    @cached_property
    def figures(self) -> Formatter:
        return Formatter.with_symbol(self.language, self.facts.currency)

    @property
    def period(self) -> str:
        return self.facts.period.short(self.language)


def compose(facts: GroupFacts, reader: Reader) -> GroupScorecard:
    """The scorecard of the group for one reader."""
    context = _Context(facts, reader.language)
    lines = tuple(_line(context, kpi) for kpi in kpis())
    score = facts.scores.get(GROUP)
    number = None if score is None else score.score
    shown = "–" if number is None else formatting.score(number, reader.language)
    return GroupScorecard(
        reader=reader,
        grain=facts.period.grain,
        period=facts.period.key,
        publication_id=facts.publication_id,
        published_at=facts.published_at,
        as_of=facts.as_of,
        subject=_subject(context, shown, (score and score.rating) or ""),
        eyebrow=context.t("KPIs of the group · {name}", name=plain(facts.group_name)),
        heading=facts.period.name(reader.language),
        state=_state(context),
        score=shown,
        rating=(score and score.rating) or "",
        lead=tuple(_lead(context, lines)),
        lines=lines,
        table=_table(context),
        warnings=tuple(_warnings(context)),
        labels={
            "kpi": context.t("KPI"),
            "actual": context.t("Actual"),
            "target": context.t("target"),
            "status": context.t("Status"),
            "score": context.t("Weighted score"),
            "warnings": context.t("Data warnings"),
            "publication": context.t("Publication"),
            "footer": context.t("Internal. Do not forward: this mail was made for you alone."),
            "money": context.t(
                "Money is converted into {currency} at the rate of each record's day.", currency=facts.currency
            ),
        },
    )


def _missing(facts: GroupFacts) -> list[AgencyState]:
    return [agency for agency in facts.agencies if agency.is_missing]


def _subject(context: _Context, score: str, rating: str) -> str:
    parts = [f"{score} ({rating})" if rating else ""]
    missing = len(_missing(context.facts))
    if missing:
        parts.append(context.n("{n} agency is missing", "{n} agencies are missing", missing))
    head = f"{context.period} · {plain(context.facts.group_name)}"
    said = ", ".join(part for part in parts if part) or context.t("KPIs of the group")
    return f"{head}: {said}"


def _state(context: _Context) -> str:
    facts = context.facts
    day = formatting.day(facts.as_of)
    told = (
        context.t("Provisional · data as of {day}", day=day)
        if facts.is_provisional
        else context.t("The period is over · data as of {day}", day=day)
    )
    counted = len(facts.agencies) - len(_missing(facts))
    of = context.t("{counted} of {all} agencies", counted=counted, all=len(facts.agencies))
    return f"{told} · {of}"


def _lead(context: _Context, lines: Sequence[GroupLine]) -> Iterator[str]:
    """How the period went, in at most three sentences."""
    scored = [line for line in lines if line.status not in ("no_target", "no_data", "")]
    if scored:
        met = sum(line.status == "on_target" for line in scored)
        yield context.n(
            "{met} of {n} KPI with a target is on target.",
            "{met} of {n} KPIs with a target are on target.",
            len(scored),
            met=met,
        )
    else:
        yield context.t("The group has no targets, so there is no score.")
    changes = [movement_of(context, kpi, context.facts.lines.get((GROUP, kpi.name), NO_LINE))[0] for kpi in kpis()]
    if any(change in ("better", "worse", "same") for change in changes):
        yield context.t(
            "Against {period}: {better} better, {worse} worse.",
            period=context.facts.period.before().short(context.language),
            better=changes.count("better"),
            worse=changes.count("worse"),
        )


def _line(context: _Context, kpi: Kpi) -> GroupLine:
    # A KPI that no agency has published yet.
    nothing = KpiValue(None, None, None, 0, False, None, 0)
    value = context.facts.values.get((GROUP, kpi.name), nothing)
    line = context.facts.lines.get((GROUP, kpi.name), NO_LINE)
    is_compared = value.null_reason != "not_across_agencies"
    actual, target = context.figures.pair(value.value, line.target, kpi.unit)
    return GroupLine(
        label=context.choose(kpi.label),
        actual=actual,
        target="" if line.target is None else target,
        basis=basis_of(context, kpi, value) if is_compared else context.t(_ONE_AGENCY),
        movement=movement_of(context, kpi, line)[1],
        status=line.status if is_compared else "",
        sign=SIGNS[line.status],
        status_word=context.t(STATUS[line.status]) if is_compared else "",
    )


def _table(context: _Context) -> Matrix:
    """Each region, and below it its agencies; the lowest scores where there are more than a mail holds."""
    facts = context.facts
    shown = _shown(facts)
    revenue = [
        facts.values.get((("agency", each.code), kpi.name)) for each in shown for kpi in kpis() if _is_money(kpi)
    ]
    unit = formatting.money_unit(*(value.value for value in revenue if value))
    rows: list[MatrixRow] = []
    regions = sorted({agency.region for agency in facts.agencies} - {""})
    for region in [*regions, ""]:
        members = [agency for agency in shown if agency.region == region]
        if region and len(regions) > 1:
            rows.append(_row(context, ("region", region), region, 0, unit))
        depth = 1 if region and len(regions) > 1 else 0
        rows += [_row(context, ("agency", each.code), plain(each.name), depth, unit) for each in members]
    note = context.t(
        "Per cent; revenue in {unit}. Colour and sign: how the agency meets its own target.",
        unit=_unit_name(context, unit),
    )
    hidden = len(facts.agencies) - len(shown)
    if hidden:
        more = context.n(
            "{n} more agency is in the mart group_kpi_values; the lowest scores are here.",
            "{n} more agencies are in the mart group_kpi_values; the lowest scores are here.",
            hidden,
        )
        note = f"{note} {more}"
    present = {cell.status for row in rows for cell in row.cells if cell.sign}
    legend = tuple((status, sign, context.t(STATUS[status]), "") for status, sign in SIGNS.items() if status in present)
    heads = tuple((context.choose(kpi.short_label), context.choose(kpi.label)) for kpi in kpis())
    return Matrix(context.t("The agencies"), context.t("Agency"), heads, tuple(rows), legend, note)


def _shown(facts: GroupFacts) -> list[AgencyState]:
    """The agencies of the table in the order of their names."""

    def need(agency: AgencyState) -> tuple[bool, float]:
        score = facts.scores.get(("agency", agency.code))
        return (not agency.is_missing, score.score if score and score.score is not None else float("inf"))

    lowest = sorted(facts.agencies, key=need)[:MOST_AGENCIES]
    return sorted(lowest, key=lambda agency: (name_key(agency.name), agency.code))


def _row(context: _Context, place: Place, name: str, depth: int, unit: object) -> MatrixRow:
    facts = context.facts
    score = facts.scores.get(place)
    number = None if score is None else score.score
    cells = []
    for kpi in kpis():
        value = facts.values.get((place, kpi.name))
        line = facts.lines.get((place, kpi.name), NO_LINE)
        # A circle before a figure reads as a zero.
        sign = "" if line.status == "no_target" else SIGNS[line.status]
        cells.append(Cell(_short(context, kpi, value, unit), sign, line.status))
    has_values = any((place, kpi.name) in facts.values for kpi in kpis())
    return MatrixRow(
        place[1] or "",
        name,
        depth,
        "–" if number is None else formatting.score(number, context.language),
        (score and score.rating) or "",
        "" if has_values else context.t("no figures"),
        tuple(cells),
    )


def _short(context: _Context, kpi: Kpi, value: KpiValue | None, unit: object) -> str:
    """A value for a narrow column: per cent without the sign, money in the unit of the table."""
    if value is None or value.value is None:
        return ""
    if kpi.unit == "ratio":
        return formatting.percent(value.value, 0, context.language)
    if _is_money(kpi):
        scaled = value.value / float(str(unit))
        return formatting.number(scaled, 0 if abs(scaled) >= 100 else 1, context.language)
    return formatting.number(value.value, 0, context.language)


def _is_money(kpi: Kpi) -> bool:
    return kpi.unit == "money"


def _unit_name(context: _Context, unit: object) -> str:
    """`tỷ ₫`, `bn ₫`."""
    one = formatting.money(float(str(unit)), context.figures.currency, context.language)
    return one.removeprefix("1").strip()


def _warnings(context: _Context) -> Iterator[str]:
    facts = context.facts
    missing = _missing(facts)
    if missing:
        yield context.n(
            "{n} agency has no publication, and nothing of it is counted: {names}.",
            "{n} agencies have no publication, and nothing of them is counted: {names}.",
            len(missing),
            names=_names(context, missing),
        )
    behind = [agency for agency in facts.agencies if agency.behind_since is not None]
    if behind:
        yield context.n(
            "{n} agency is far behind, and what it recorded later is not counted: {names}.",
            "{n} agencies are far behind, and what they recorded later is not counted: {names}.",
            len(behind),
            names=_names(context, behind),
        )
    ahead = [agency for agency in facts.agencies if agency.is_ahead]
    if ahead:
        yield context.n(
            "The group's figures are as of {day}. {n} agency has later days, which are counted: {names}.",
            "The group's figures are as of {day}. {n} agencies have later days, which are counted: {names}.",
            len(ahead),
            day=formatting.day(facts.as_of),
            names=_names(context, ahead),
        )
    without = [
        agency
        for agency in facts.agencies
        if not agency.is_missing and not any((("agency", agency.code), kpi.name) in facts.values for kpi in kpis())
    ]
    if without:
        yield context.n(
            "{n} agency has no figures of this period: {names}.",
            "{n} agencies have no figures of this period: {names}.",
            len(without),
            names=_names(context, without),
        )


def _names(context: _Context, agencies: Sequence[AgencyState]) -> str:
    names = [
        f"{plain(agency.name)} ({formatting.day(agency.behind_since)})" if agency.behind_since else plain(agency.name)
        for agency in agencies[:_MOST_NAMES]
    ]
    if len(agencies) > _MOST_NAMES:
        names.append(context.n("and {n} more", "and {n} more", len(agencies) - _MOST_NAMES))
    return ", ".join(names)
