"""The page of a KPI: what it is, its formula with its numbers, every record, what was left out, and how to check it."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from amkpi.core.catalogue import Kpi
from amkpi.core.language import formatting
from amkpi.core.language.names import plain, shortened
from amkpi.core.language.periods import Period
from amkpi.core.storage.sql import literal
from amkpi.explain import text as sentences
from amkpi.explain.arguments import period_key
from amkpi.explain.evidence import ExcludedRecord, Explanation, Question, Scope
from amkpi.explain.target_spans import TargetSpan
from amkpi.pages.compose.scorecards import trail_of
from amkpi.pages.model import Fact, Figure, Name, Page, Part, Span, Table, Text
from amkpi.pages.rights import readable_explanation
from amkpi.pages.sections.context import PageContext, day, fill, join, marked, slots
from amkpi.pages.sections.layout import layout
from amkpi.pages.sections.makeup import part_of_score
from amkpi.pages.sections.measures import measure_tables
from amkpi.pages.sections.records import record_rows, record_table
from amkpi.pages.sections.scorecard import kpi_card, title
from amkpi.scorecards.compose.data_warnings import extract_name, reason_name
from amkpi.scorecards.facts import ScopeMember
from amkpi.scorecards.page_paths import PagePath

_SQL = """\
select source_extract, source_id, client_id, event_date, numerator, denominator
from kpi_evidence
where kpi = '{kpi}' and period_grain = '{grain}' and period_start = date '{start}'{whose}
order by all"""
# A record counts for the teams of all who were over its person on the day of the record.
_WHOSE = {
    "own": "\n    and staff_id = {person}",
    "team": "\n    and (staff_id = {person} or list_contains(team_path, {person}))",
    "company": "",
}
_SCOPES: dict[str, Scope] = {"own": "own", "team": "team", "company": "company"}


class Source(Protocol):
    """What the explanation comes from."""

    def explanation(self, question: Question) -> Explanation | None: ...


def kpi_page(context: PageContext, kpi: Kpi, member: ScopeMember, source: Source) -> Page:
    """The page of one KPI of a member."""
    explanation = _explanation(context, kpi, member, source)
    card = kpi_card(context, member, kpi)
    records = context.facts.records_of(member, kpi.name)

    def in_period(period: Period) -> PagePath | None:
        if not context.has(member, period):
            return None
        return PagePath.of_kpi(context.language, kpi.name, member, period)

    heading: Text = (context.choose(kpi.label),)
    tables = [record_table(context, kpi, member, records)] if kpi.has_records else []
    tables += [
        *measure_tables(context, kpi, member),
        *_spans(context, explanation),
        *_excluded(context, explanation),
        *_quarantined(context, explanation),
    ]
    path = context.path
    return Page(
        template="kpi.html.j2",
        layout=layout(
            context,
            f"{context.choose(kpi.label)} · {context.title(member)}",
            heading,
            join(" · ", title(context, member), (Span(context.period.name(context.language)),)),
            in_period,
            trail=trail_of(context, member),
        ),
        subject=context.subject(member, kpi),
        kpi=card,
        facts=_facts(context, kpi, member, explanation),
        commands=_commands(context, kpi, member),
        csv=context.href(PagePath(path.language, "kpi", path.period, path.key, kpi.name, path.scope, is_csv=True)),
        tables=tuple(tables),
    )


def kpi_csv(context: PageContext, kpi: Kpi, member: ScopeMember, source: Source) -> bytes:
    """The records of a KPI as CSV in UTF-8 with a byte order mark, so that Excel reads its letters."""
    records = context.facts.records_of(member, kpi.name)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    for row in record_rows(context, kpi, member, records):
        writer.writerow([_safe(cell) for cell in row])
    return b"\xef\xbb\xbf" + buffer.getvalue().encode()


def _safe(cell: object) -> object:
    """A text that a spreadsheet would take for a formula gets an apostrophe; a number stays as it is."""
    if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{cell}"
    return cell


def _explanation(context: PageContext, kpi: Kpi, member: ScopeMember, source: Source) -> Explanation | None:
    """What `amkpi explain` knows of the value, as the reader may see it."""
    found = source.explanation(Question(kpi, _SCOPES[member.scope], member.staff_id, context.period))
    if found is None:
        return None
    # The sign of the currency, as everywhere on the pages, and not its code.
    return replace(readable_explanation(found, context.reader), currency=context.figures.currency)


def _facts(context: PageContext, kpi: Kpi, member: ScopeMember, explanation: Explanation | None) -> tuple[Fact, ...]:
    """What the KPI is and how this value came about."""
    t = context.t
    found = [
        Fact(t("Question"), (context.choose(kpi.question),)),
        Fact(t("Formula"), (context.choose(kpi.formula),)),
    ]
    if explanation is not None:
        found.append(Fact(t("With its numbers"), _numbers(context, explanation)))
    found += [
        Fact(t("Counted by"), (context.choose(kpi.event_date),)),
        Fact(t("Credit"), (_credit(context, kpi, explanation),)),
    ]
    if explanation is not None:
        change = _change(context, explanation)
        found += [Fact(t("Before"), change)] if change else []
        found.append(Fact(t("Target"), (sentences.target_rule(explanation, context.language),)))
    in_score = part_of_score(context, member, kpi)
    found += [Fact(t("In the score"), in_score)] if in_score else []
    found.append(
        Fact(
            t("Definition"),
            fill(
                t("{owner} answers for it; unchanged since version {version}", **slots("owner", "version")),
                owner=context.choose(kpi.owner),
                version=Name(kpi.since),
            ),
        )
    )
    return tuple(found)


def _credit(context: PageContext, kpi: Kpi, explanation: Explanation | None) -> str:
    if explanation is None:
        return context.t(sentences.CREDIT[kpi.credit_rule])
    return sentences.credit(explanation, context.language)


def _numbers(context: PageContext, explanation: Explanation) -> Text:
    """The formula with its numbers, each marked."""
    kpi, value, language = explanation.question.kpi, explanation.value, context.language
    shown = formatting.kpi_value(value.value, kpi.unit, explanation.currency, language)
    result = Figure(shown, value.value, "kpi_values.value")
    amounts = sentences.formula_amounts(explanation)
    texts = sentences.parts(amounts, explanation, language)
    parts: list[Part]
    if kpi.denominator is not None:
        columns = ("kpi_values.numerator", "kpi_values.denominator")
        parts = [*(Figure(*each) for each in zip(texts, amounts, columns, strict=True)), result]
    elif kpi.is_of_signings:
        of = ("signed.numerator", "cancelled.numerator", "kpi_values.value")
        signed, cancelled, result = (Figure(*each) for each in zip(texts, amounts, of, strict=True))
        signings = sentences.Signings.of(explanation)
        parts = [signed, _records(signings.signed, "signed.records"), result]
        if signings.cancelled:
            parts[2:2] = [cancelled, _records(signings.cancelled, "cancelled.records")]
    else:
        sample = Figure(formatting.number(value.sample_size, 0, language), value.sample_size, "kpi_values.sample_size")
        parts = [result, sample]
    return marked(sentences.numbers(explanation, language), parts)


def _records(amounts: Sequence[float], of: str) -> Figure:
    return Figure(str(len(amounts)), len(amounts), of)


def _change(context: PageContext, explanation: Explanation) -> Text:
    value, language = explanation.value, context.language
    size, before = sentences.change_figures(explanation, language)
    earlier = explanation.question.period.before()
    parts: list[Part] = [Figure(size, value.change, "scorecard_lines.change")] if size else []
    if value.previous_value is not None:
        parts.append(Figure(before, value.previous_value, "scorecard_lines.previous_value"))
    parts.append(Span(formatting.period(earlier.grain, earlier.start, earlier.end, language)))
    return marked(sentences.change(explanation, language), parts)


def _commands(context: PageContext, kpi: Kpi, member: ScopeMember) -> tuple[tuple[str, str], ...]:
    """The command that explains the value, and SQL on the published marts that gives its records."""
    words = ["amkpi", "explain", kpi.name, *([member.staff_id] if member.staff_id else []), period_key(context.period)]
    if member.scope == "team":
        words += ["--scope", "team"]
    sql = _SQL.format(
        kpi=kpi.name,
        grain=context.period.grain,
        start=context.period.start.isoformat(),
        whose=_WHOSE[member.scope].format(person=literal(member.staff_id or "")),
    )
    return ((context.t("Explain it"), " ".join(map(shlex.quote, words))), (context.t("As SQL"), sql))


def _spans(context: PageContext, explanation: Explanation | None) -> list[Table]:
    """How the target came about: the days that count, each span with the target in force."""
    if explanation is None or not explanation.target_spans:
        return []
    t, kpi, spans = context.t, explanation.question.kpi, explanation.target_spans
    return [
        Table(
            title=t("How the target came about"),
            name="target",
            heads=(t("From"), t("To"), t("Days"), t("Target"), t("For"), t("Of whom"), t("Adds")),
            kinds=("date", "date", "number", "number", "text", "text", "number"),
            rows=tuple(_span_row(context, kpi, explanation, span) for span in spans),
        )
    ]


def _span_row(context: PageContext, kpi: Kpi, explanation: Explanation, span: TargetSpan) -> tuple[Text, ...]:
    language, figures = context.language, context.figures
    head: tuple[Text, ...] = (
        (day(span.first_day),),
        (day(span.last_day),),
        (Figure(figures.number(span.days), span.days, "target_spans.days"),),
    )
    if span.valid_from is None or span.target is None:
        return (*head, (context.t("no target"),), (), (), ())
    target, share = figures.pair(span.target, span.share, kpi.unit)
    return (
        *head,
        (Figure(target, span.target, "target_spans.target"),),
        (sentences.target_unit(span, explanation, language),),
        (context.role(span.role) if span.role else Name(sentences.target_holder(span, explanation, language)),),
        (Figure(share, span.share, "target_spans.share"),) if span.share is not None else (),
    )


def _excluded(context: PageContext, explanation: Explanation | None) -> list[Table]:
    """The records that a reader would look for here and that do not count, with the reason of each."""
    if explanation is None or not explanation.excluded:
        return []
    t = context.t
    return [
        Table(
            title=t("Left out, and why"),
            name="excluded",
            heads=(t("Date"), t("Record"), t("Client"), t("Why it does not count")),
            kinds=("date", "text", "text", "text"),
            rows=tuple(_excluded_row(context, record) for record in explanation.excluded),
        )
    ]


def _excluded_row(context: PageContext, record: ExcludedRecord) -> tuple[Text, ...]:
    language = context.language
    named: Text = (Name(plain(record.source_id)),) if record.source_id else ()
    if record.records > 1:
        named = (Figure(context.figures.number(record.records), record.records, "exclusions.records"),)
    why: Text = (sentences.why_excluded(record.reason, language),)
    if record.detail:
        why = (*why, " · ", Name(plain(record.detail)))
    return ((day(record.event_date),), named, context.client_part(record.client_id), why)


def _quarantined(context: PageContext, explanation: Explanation | None) -> list[Table]:
    """Rows in quarantine that may belong here; only for readers of the company's numbers."""
    if explanation is None or not explanation.quarantined:
        return []
    t, language = context.t, context.language
    return [
        Table(
            title=t("Held back in quarantine: these rows may change the value"),
            name="quarantine",
            heads=(t("Extract"), t("Reason"), t("Rows"), t("First places")),
            kinds=("text", "text", "number", "text"),
            rows=tuple(
                (
                    (extract_name(each.extract, language),),
                    (reason_name(each.reason, language),),
                    (Figure(context.figures.number(each.rows), each.rows, "quarantined_rows.rows"),),
                    join(", ", *((Name(shortened(place)),) for place in each.places)),
                )
                for each in explanation.quarantined
            ),
        )
    ]
