"""The tools about one value: get_value, explain, records. `amkpi explain` and the pages compute the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from amkpi.core.errors import AmkpiError
from amkpi.core.language.translation import Language
from amkpi.explain import text
from amkpi.explain.arguments import period_key
from amkpi.explain.evidence import Explanation, Question, Scope, explained
from amkpi.explain.render import definition
from amkpi.interfaces.mcp.answers import Excluded, Explained, Record, Records, Subject, Value
from amkpi.interfaces.mcp.caller import Asked
from amkpi.pages.rights import readable_explanation, readable_records
from amkpi.publishing.closing.files import opened

_RECORDS = """
    select staff_id, source_id, record_name, coalesce(client_name, client_id), event_date, state, due_date, done_date,
        days_late, amount, numerator, denominator
    from kpi_evidence
    where kpi = $kpi and period_grain = $grain and period_start = $start
        and ($scope = 'company' or staff_id = $staff_id or ($scope = 'team' and list_contains(team_path, $staff_id)))
    order by event_date, source_id, numerator desc"""


def explanation_of(asked: Asked, question: Question) -> Explanation:
    """What is known of a value, as the caller may see it. Raises AmkpiError where there is no such value."""
    run = asked.run
    found = explained(asked.connection, question, lambda n: opened(run.home, n, run.settings.timezone))
    seen = readable_explanation(found, asked.reader)
    return replace(seen, excluded=(), counted=()) if question.kpi.private else seen


def value_of(asked: Asked, question: Question, language: Language) -> Value:
    """The published value. Raises AmkpiError."""
    return Value(**_fields(asked, explanation_of(asked, question), language))


def explain(asked: Asked, question: Question, language: Language) -> Explained:
    """The value with its formula and what it is made of. Raises AmkpiError."""
    found = explanation_of(asked, question)
    kpi = question.kpi
    reasons: dict[str, int] = {}
    for record in found.excluded:
        reasons[record.reason] = reasons.get(record.reason, 0) + record.records
    has_numbers = found.value.value is not None and not kpi.private
    return Explained(
        **_fields(asked, found, language),
        formula=kpi.formula[language],
        formula_with_numbers=text.numbers(found, language) if has_numbers else None,
        credit_rule=text.credit(found, language),
        target_rule=text.target_rule(found, language),
        counted=len(found.counted),
        excluded=[
            Excluded(reason=reason, text=text.why_excluded(reason, language), records=count)
            for reason, count in sorted(reasons.items())
        ],
        held_back=sum(rows.rows for rows in found.quarantined),
        definition=definition(kpi),
    )


def records_of(asked: Asked, question: Question, state: str | None, limit: int, offset: int) -> Records:
    """The records behind a value. Raises AmkpiError for a private KPI, whose records nobody sees."""
    kpi = question.kpi
    if kpi.private:
        raise AmkpiError(f"{kpi.name} is private: its reviews are never listed; call get_value or explain")
    if state is not None and state not in kpi.states:
        raise AmkpiError(f"no state {state!r} of {kpi.name}: there are {', '.join(kpi.states)}")
    found = explanation_of(asked, question)
    rows = asked.connection.execute(
        _RECORDS,
        {
            "kpi": kpi.name,
            "grain": question.period.grain,
            "start": question.period.start,
            "scope": question.scope,
            "staff_id": question.staff_id,
        },
    ).fetchall()
    seen = readable_records(rows, asked.reader)
    chosen = [row for row in seen if state is None or row[5] == state]
    return Records(
        **asked.head,
        n=found.value.sample_size,
        null_reason=text.null_reason(found, "en") or None,
        subject=_subject(asked, question),
        value=found.value.value,
        total=len(chosen),
        not_shown=len(rows) - len(seen),
        records=[_record(row) for row in chosen[offset : offset + limit]],
    )


def _record(row: tuple[Any, ...]) -> Record:
    credit, source_id, name, client, day, state, due, done, late, amount, numerator, denominator = row
    return Record(
        source_id=source_id,
        name=name,
        client=client,
        credit=credit,
        event_date=day,
        state=state,
        due_date=due,
        done_date=done,
        days_late=late,
        amount=amount,
        numerator=numerator,
        denominator=denominator,
    )


def _subject(asked: Asked, question: Question) -> Subject:
    scope: Scope = question.scope
    return Subject(
        kpi=question.kpi.name,
        scope=scope,
        staff_id=question.staff_id,
        full_name=asked.name(question.staff_id),
        period=period_key(question.period),
    )


def _fields(asked: Asked, found: Explanation, language: Language) -> dict[str, Any]:
    value, private = found.value, found.question.kpi.private
    return {
        **asked.head,
        "n": value.sample_size,
        "null_reason": text.null_reason(found, language) or None,
        "subject": _subject(asked, found.question),
        "sentence": text.sentence(found, language),
        "value": value.value,
        "unit": found.question.kpi.unit,
        "numerator": None if private else value.numerator,
        "denominator": None if private else value.denominator,
        "wilson_low": value.wilson_low,
        "wilson_high": value.wilson_high,
        "target": value.target,
        "attainment": value.attainment,
        "status": "still_open" if value.is_still_open else value.status,
        "previous_value": value.previous_value,
        "change": value.change,
        "undecided": value.undecided,
        "is_provisional": value.is_provisional,
        "is_closed": found.closing is not None,
    }
