"""The sentences of `amkpi explain`. The texts of each KPI are in the KPI catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from amkpi.core.catalogue import CreditRule
from amkpi.core.language import formatting
from amkpi.core.language.translation import Language
from amkpi.core.language.translator import Message, Translator
from amkpi.explain.evidence import ExcludedRecord, Explanation
from amkpi.explain.target_spans import TargetSpan

# Who gets the credit for a record.
CREDIT: Mapping[CreditRule, Message] = {
    "owner_or_manager": Message("the record's owner, else who managed the client on that day"),
    "signing_owner_or_manager": Message(
        "the contract's owner, else who managed the client at the signing; also for a cancellation"
    ),
    "project_owner_or_manager": Message(
        "the owner of the survey's project, else who managed the client when it was sent"
    ),
    "manager_on_opening": Message("who managed the client on the opening day"),
    "person_reviewed": Message("the person reviewed"),
}
# Why a record does not count: `reason` of the exclusions.
EXCLUDED: Mapping[str, Message] = {
    "kind_not_counted": Message("signed, of a kind that does not count as new revenue"),
    "kind_not_counted_cancelled": Message("cancelled, of a kind that does not count as new revenue"),
    "cancelled_by_due_date": Message("cancelled on or before the due date"),
    "not_due_yet": Message("not due yet"),
    "not_answered": Message("sent, not answered"),
    "no_score": Message("answered without a score"),
    "superseded": Message("superseded by a newer proposal"),
    "cancelled": Message("delivered, then cancelled"),
    "no_budget": Message("delivered without a budget"),
    "no_costs": Message("delivered without any cost recorded"),
    "self_review": Message("a review of oneself"),
}


def who(explanation: Explanation, language: Language) -> str:
    """Whose value it is: a person, a team or the company."""
    scope, t = explanation.question.scope, Translator(language).t
    if scope == "company":
        return t("Whole company")
    return t("team of {person}", person=explanation.full_name) if scope == "team" else str(explanation.full_name)


def sentence(explanation: Explanation, language: Language) -> str:
    """The answer in one line: `On-time delivery, Trần Thị Lan, September 2026: 81.8% = 9 / 11 projects due`."""
    period = explanation.question.period
    name = formatting.period(period.grain, period.start, period.end, language)
    label = explanation.question.kpi.label[language]
    return f"{label}, {who(explanation, language)}, {name}: {_answer(explanation, language)}"


def _answer(explanation: Explanation, language: Language) -> str:
    kpi, value, t = explanation.question.kpi, explanation.value, Translator(language).t
    if value.value is None:
        return t("no value: {reason}", reason=null_reason(explanation, language))
    shown = formatting.kpi_value(value.value, kpi.unit, explanation.currency, language)
    n, sample = formatting.number(value.sample_size, 0, language), kpi.sample.after(value.sample_size, language)
    if kpi.denominator is None:
        return t("{value} from {n} {sample}", value=shown, n=n, sample=sample)
    numerator, denominator = parts(formula_amounts(explanation), explanation, language)
    if kpi.is_of_amounts:
        return f"{shown} = {numerator} / {denominator} ({n} {sample})"
    return f"{shown} = {numerator} / {denominator} {sample}"


def null_reason(explanation: Explanation, language: Language) -> str:
    """Why there is no value; empty where there is one."""
    reason = explanation.value.null_reason or ""
    texts = explanation.question.kpi.null_reasons
    return texts[reason][language] if reason in texts else reason


def part(amount: float, explanation: Explanation, language: Language) -> str:
    """A numerator or denominator as a reader writes it."""
    return parts((amount,), explanation, language)[0]


def parts(amounts: Sequence[float], explanation: Explanation, language: Language) -> tuple[str, ...]:
    """Numerators and denominators that a reader compares: money in one unit."""
    if not explanation.question.kpi.is_of_amounts:
        return tuple(formatting.number(amount, 0, language) for amount in amounts)
    return formatting.Formatter(language, explanation.currency).in_one_unit(amounts, "money")


@dataclass(frozen=True)
class Signings:
    """The records of a KPI of signings: the money of those that were signed, and what cancellations took back."""

    signed: tuple[float, ...]
    cancelled: tuple[float, ...]

    @classmethod
    def of(cls, explanation: Explanation) -> Signings:
        """Those of an explanation."""
        return cls(
            tuple(record.numerator for record in explanation.counted if record.samples),
            tuple(-record.numerator for record in explanation.counted if not record.samples),
        )


def formula_amounts(explanation: Explanation) -> tuple[float, ...]:
    """The money or counts of the formula, in its order: numerator and denominator; signed, taken back and the value."""
    kpi, value = explanation.question.kpi, explanation.value
    if kpi.is_of_signings:
        signings = Signings.of(explanation)
        return sum(signings.signed), sum(signings.cancelled), value.value or 0.0
    return value.numerator or 0.0, value.denominator or 0.0


def numbers(explanation: Explanation, language: Language) -> str:
    """The formula with its numbers."""
    kpi, value, t = explanation.question.kpi, explanation.value, Translator(language).t
    if kpi.denominator is not None:
        shown = formatting.kpi_value(value.value, kpi.unit, explanation.currency, language)
        numerator, denominator = parts(formula_amounts(explanation), explanation, language)
        return f"{kpi.numerator[language]} {numerator} ÷ {kpi.denominator[language]} {denominator} = {shown}"
    if kpi.is_of_signings:
        signings = Signings.of(explanation)
        signed, cancelled, shown = parts(formula_amounts(explanation), explanation, language)
        text = t("signed {amount} ({n})", amount=signed, n=len(signings.signed))
        if signings.cancelled:
            text += " − " + t("taken back {amount} ({n} cancelled)", amount=cancelled, n=len(signings.cancelled))
        return f"{text} = {shown}"
    return _answer(explanation, language)


def credit(explanation: Explanation, language: Language) -> str:
    """By which rule a record counts for this person or team."""
    t, rule = Translator(language).t, CREDIT[explanation.question.kpi.credit_rule]
    if explanation.question.scope != "team":
        return t(rule)
    return t("{rule}; {person} and whoever was under them on that day", rule=rule, person=explanation.full_name)


def undecided(explanation: Explanation, language: Language) -> str:
    """How many records have no outcome yet: `7 of 10 proposals still open`; empty where all have one."""
    text, value = explanation.question.kpi.undecided, explanation.value
    if not value.undecided or text is None:
        return ""
    n, whole = (formatting.number(count, 0, language) for count in (value.undecided, value.sample_size))
    return text.after(value.sample_size, language).format(n=n, all=whole)


def target_rule(explanation: Explanation, language: Language) -> str:
    """How the spans of days make the target."""
    t = Translator(language).t
    if explanation.question.kpi.target_growth == "sum_of_days":
        return t("each day that counts adds its share of the target")
    return t("the mean over the days that count and have a target")


def target_holder(span: TargetSpan, explanation: Explanation, language: Language) -> str:
    """Whose row of the targets it is: the person's, a role's or the company's."""
    if span.staff_id is not None:
        return str(explanation.full_name)
    return Translator(language).t("Whole company") if span.role is None else span.role


def target_unit(span: TargetSpan, explanation: Explanation, language: Language) -> str:
    """What the row's target is for: periods of this kind, a month, or any period."""
    t = Translator(language).t
    if span.grain is not None:
        return t("this kind of period")
    return t("a month") if explanation.question.kpi.target_growth == "sum_of_days" else t("any period")


def change(explanation: Explanation, language: Language) -> str:
    """The change from the period before."""
    value, t = explanation.value, Translator(language).t
    earlier = explanation.question.period.before()
    name = formatting.period(earlier.grain, earlier.start, earlier.end, language)
    if value.previous_value is None:
        return t("no value in {period} to compare with", period=name)
    size, before = change_figures(explanation, language)
    if value.change is None:
        return t("{value} in {period}", value=before, period=name)
    return t("{change} from {value} in {period}", change=size, value=before, period=name)


def change_figures(explanation: Explanation, language: Language) -> tuple[str, str]:
    """The change with its sign, empty for none, and the value of the period before: money in one unit."""
    kpi, value, currency = explanation.question.kpi, explanation.value, explanation.currency
    scale = formatting.money_unit(value.change, value.previous_value)
    size = "" if value.change is None else formatting.change(value.change, kpi.unit, currency, language, scale)
    if kpi.unit == "money" and value.previous_value is not None:
        return size, formatting.money(value.previous_value, currency, language, scale)
    return size, formatting.kpi_value(value.previous_value, kpi.unit, currency, language)


def why_excluded(reason: str, language: Language) -> str:
    """A reason in words; its code where it has none."""
    return Translator(language).t(EXCLUDED[reason]) if reason in EXCLUDED else reason


def named(record: ExcludedRecord) -> str:
    """A record that does not count, in a few words: its key, its client, and what the reason refers to."""
    text = record.source_id or ""
    if record.detail:
        text += f" → {record.detail}" if record.reason == "superseded" else f" {record.detail}"
    return f"{text} ({record.client_name})" if record.client_name else text
