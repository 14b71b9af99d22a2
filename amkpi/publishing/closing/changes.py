"""Which source rows differ from those of an earlier publication, and why: the causes of adjustments, row by row.

Nothing is ever erased from the parsed rows. Which of them were valid when a publication knew the deliveries up to a
number follows from them and from what was held back then.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import duckdb

from amkpi.core.storage.sql import literal
from amkpi.ingestion.contracts.extracts import EXTRACTS, Extract


class Cause(StrEnum):
    """What moves a closed period, in the order in which several are named."""

    late_rows = "late_rows"
    corrected_rows = "corrected_rows"
    deleted_rows = "deleted_rows"
    released_rows = "released_rows"
    happened_since = "happened_since"
    decided_since = "decided_since"
    targets_changed = "targets_changed"
    settings_changed = "settings_changed"
    version_changed = "version_changed"


@dataclass(frozen=True)
class Then:
    """What a closed publication knew: the deliveries up to a number, its date, and what was held back.

    held: a relation with extract, delivery and line_number (the row within its delivery). last_day: the last day of the
    periods that are explained.
    """

    delivery: int
    as_of: date
    held: str
    last_day: date


# Without reviews: the private KPI has no adjustments.
COMPARED = tuple(extract for extract in EXTRACTS.values() if not extract.private_rows)

# By extract, the rows that can touch no period up to `$last`, as a condition on a row as it was and as it is. Rows
# of other extracts can change any period.
_AFTER = {
    "clients": "true",
    "contracts": "rows.signed_date > $last and rows.start_date > $last",
    "proposals": "rows.sent_date > $last and rows.supersedes_proposal_id is null",
    "client_surveys": "rows.sent_date > $last",
    "projects": "least(rows.start_date, rows.committed_due_date, rows.agreed_due_date, rows.delivered_date) > $last"
    " and not exists (select 1 from parsed.client_surveys as named where named.project_id = rows.project_id"
    " and named.sent_date <= $last)",
    "project_costs": "not exists (select 1 from parsed.projects as named where named.project_id = rows.project_id"
    " and named.delivered_date <= $last)",
    "staff": "rows.valid_from > $last",
    "client_assignments": "rows.valid_from > $last",
    "kpi_targets": "rows.valid_from > $last",
    "fx_rates": "rows.rate_date > $last and not exists (select 1 from parsed.project_costs as costs"
    " inner join parsed.projects as named on costs.project_id = named.project_id"
    " where costs.currency = rows.currency and costs.cost_date >= rows.rate_date and named.delivered_date <= $last)",
}
# By extract, what had not happened on a date: the rows that did not exist, and the columns that were empty.
_EXISTS_FROM = {
    "contracts": "signed_date",
    "proposals": "sent_date",
    "client_surveys": "sent_date",
    "project_costs": "cost_date",
}
_HAPPENS_ON: dict[str, dict[str, tuple[str, ...]]] = {
    "contracts": {"cancelled_date": ("cancelled_date",)},
    "projects": {"cancelled_date": ("cancelled_date",), "delivered_date": ("delivered_date",)},
    "client_surveys": {"responded_date": ("responded_date", "score")},
}


def valid_rows_at(extract: Extract, delivery: int, held: str, of_keys: str = "") -> str:
    """SQL for the rows that were valid by the deliveries up to that number, as `parsed.<extract>` has them.

    held: what was in quarantine then. A row that lacks a reference now lacked it then too, whether it was still
    shown or not. of_keys: a relation of keys, if only theirs are wanted.
    """
    key = ", ".join(f"rows.{name}" for name in extract.key)
    wanted = f"semi join {of_keys} as wanted on {_same_key(extract, 'rows', 'wanted')}" if of_keys else ""
    return f"""
        (
            select * exclude (place)
            from (
                select rows.*, row_number() over (
                    partition by {key} order by rows.updated_at desc nulls last, rows._delivery desc, rows._line desc
                ) as place
                from parsed.{extract.name} as rows
                {wanted}
                where rows._delivery <= {delivery} and rows._reason is null
                    and not exists (
                        select 1 from {held} as held
                        where held.extract = '{extract.name}' and held.delivery = rows._delivery
                            and held.line_number = rows._line
                    )
                    and not exists (
                        select 1 from validation.held_back as waiting
                        where waiting.extract = '{extract.name}' and waiting._delivery = rows._delivery
                            and waiting._line = rows._line and waiting.reason = 'unknown_reference'
                    )
            )
            where place = 1 and not coalesce(is_deleted, false)
        )
        """


def compare(connection: duckdb.DuckDBPyConnection, then: Then, as_of: date) -> frozenset[Cause]:
    """Find what is different now; returns the causes that there are.

    Makes for each extract the temp tables `then_<extract>` (rows of changed keys as they were) and `changed_<extract>`
    (the keys and their cause), and `since_<extract>` (the keys of rows known then that happened since).
    """
    found: set[Cause] = set()
    for extract in COMPARED:
        found |= _changed(connection, extract, then, as_of)
        found |= _happened(connection, extract, then, as_of)
    return frozenset(found)


def _changed(connection: duckdb.DuckDBPyConnection, extract: Extract, then: Then, as_of: date) -> set[Cause]:
    name, key = extract.name, ", ".join(extract.key)
    connection.execute(
        f"""
        create or replace temp table touched as
        select distinct {key} from parsed.{name} as rows
        where _delivery > {then.delivery}
            or (_delivery, _line) in (select delivery, line_number from {then.held} where extract = '{name}')
            or (_delivery, _line) in (select _delivery, _line from validation.held_back where extract = '{name}')
        """
    )
    connection.execute(
        f"create or replace temp table then_{name} as"
        f" from {valid_rows_at(extract, then.delivery, then.held, 'touched')}"
    )
    columns = [column.name for column in extract.columns]
    undecided = [column for column in columns if column not in ("outcome", "decided_date")]
    connection.execute(
        f"""
        create or replace temp table changed_{name} as
        with former as (from then_{name}),
        present as (
            select valid.* from valid.{name} as valid semi join touched on {_same_key(extract, "valid", "touched")}
        ),
        relevant as (
            select {key} from former as rows where not coalesce({_after(extract, then)}, false)
            union
            select {key} from present as rows where not coalesce({_after(extract, then)}, false)
        ),
        paired as (
            select
                {", ".join(f"coalesce(former.{column}, present.{column}) as {column}" for column in extract.key)},
                former._delivery as delivery_then, present._delivery as delivery_now,
                {_same(columns, "former", "present")} as is_same,
                {_decided(extract, then, as_of)} as is_decided,
                {_same(undecided, "former", "present")} as is_same_else
            from former
            full join present on {_same_key(extract, "former", "present")}
        )
        select {key}, is_decided,
            case
                {"when true then 'targets_changed'" if name == "kpi_targets" else ""}
                when is_decided and is_same_else then 'decided_since'
                when delivery_then is null and delivery_now > {then.delivery} then 'late_rows'
                when delivery_then is not null and delivery_now > {then.delivery} then 'corrected_rows'
                when delivery_now is not null then 'released_rows'
                when {_is_deleted(extract, then)} then 'deleted_rows'
                else 'corrected_rows'
            end as cause
        from paired
        where not (delivery_then is not null and delivery_now is not null and is_same)
            and exists (select 1 from relevant where {_same_key(extract, "paired", "relevant")})
        """
    )
    rows = connection.execute(f"select distinct cause, is_decided from changed_{name}").fetchall()
    return {Cause(cause) for cause, _ in rows} | (
        {Cause.decided_since} if any(decided for _, decided in rows) else set()
    )


def _happened(connection: duckdb.DuckDBPyConnection, extract: Extract, then: Then, as_of: date) -> set[Cause]:
    """Rows that were delivered before, and dated after the closing's date: they have happened by now."""
    name, key = extract.name, ", ".join(extract.key)
    dates = [*([_EXISTS_FROM[name]] if name in _EXISTS_FROM else []), *_HAPPENS_ON.get(name, {})]
    between = f"between date '{then.as_of}' + 1 and date '{as_of}'"
    is_since = " or ".join(f"rows.{column} {between}" for column in dates) or "false"
    is_decided = f"rows.outcome <> 'open' and rows.decided_date {between}" if name == "proposals" else "false"
    connection.execute(
        f"""
        create or replace temp table since_{name} as
        select {key}, {is_since} as is_since, coalesce({is_decided}, false) as is_decided
        from valid.{name} as rows
        where rows._delivery <= {then.delivery} and ({is_since} or {is_decided})
            and not coalesce({_after(extract, then)}, false)
        """
    )
    counted = connection.execute(
        f"select coalesce(bool_or(is_since), false), coalesce(bool_or(is_decided), false) from since_{name}"
    ).fetchall()[0]
    return {cause for cause, is_there in zip((Cause.happened_since, Cause.decided_since), counted, strict=True)
            if is_there}  # fmt: skip


def changed_rows(connection: duckdb.DuckDBPyConnection, extract: Extract) -> list[tuple[object, ...]]:
    """What `compare` found of an extract, each changed key with the row that it has now."""
    name, same = extract.name, _same_key(extract, "changed", "valid")
    return (
        connection.execute(
            f"select 'changed', changed.*, valid._delivery, valid._line from changed_{name} as changed"
            f" left join valid.{name} as valid on {same}"
        ).fetchall()
        + connection.execute(f"select 'since', * from since_{name}").fetchall()
    )


def without(extract: Extract, undone: frozenset[Cause], then: Then) -> str:
    """SQL for the valid rows as they would be without what these causes changed; columns as `valid.<extract>`.

    Needs what `compare` made.
    """
    name = extract.name
    causes = ", ".join(literal(cause) for cause in sorted(undone)) or "''"
    columns = [column.name for column in extract.columns]
    # The columns of a row that is kept, and of one that is as it was.
    values = {column: f"rows.{column}" for column in columns}
    restored = dict(values)
    kept = existed = "true"
    if Cause.happened_since in undone:
        known = f"rows._delivery <= {then.delivery}"
        if name in _EXISTS_FROM:
            existed = f"rows.{_EXISTS_FROM[name]} <= date '{then.as_of}'"
            kept = f"({existed} or not {known})"
        for when, emptied in _HAPPENS_ON.get(name, {}).items():
            later = f"rows.{when} > date '{then.as_of}'"
            for column in emptied:
                values[column] = f"case when {known} and {later} then null else rows.{column} end"
                restored[column] = f"case when {later} then null else rows.{column} end"
    if name == "proposals":
        decided = " or ".join(
            f"exists (select 1 from {table} as found where {_same_key(extract, 'rows', 'found')} and found.is_decided)"
            for table in (f"changed_{name}", f"since_{name}")
        )
        if Cause.decided_since in undone:
            values["outcome"] = f"case when {decided} then 'open' else rows.outcome end"
            values["decided_date"] = f"case when {decided} then null else rows.decided_date end"
            was_open = f"rows.decided_date > date '{then.as_of}'"
            restored["outcome"] = f"case when {was_open} then 'open' else rows.outcome end"
            restored["decided_date"] = f"case when {was_open} then null else rows.decided_date end"
        else:
            # The correction is undone, the decision is not.
            of_now = f"(select valid.{{}} from valid.{name} as valid where {_same_key(extract, 'rows', 'valid')})"
            for column in ("outcome", "decided_date"):
                restored[column] = f"case when {decided} then {of_now.format(column)} else rows.{column} end"
    undone_keys = f"(select * from changed_{name} where cause in ({causes}))"
    return f"""
        select {", ".join(f"{value} as {column}" for column, value in values.items())},
            rows._updated_at, rows._delivery, rows._line
        from valid.{name} as rows
        where {kept} and not exists (
            select 1 from {undone_keys} as undone where {_same_key(extract, "rows", "undone")}
        )
        union all
        select {", ".join(f"{value} as {column}" for column, value in restored.items())},
            rows.updated_at, rows._delivery, rows._line
        from then_{name} as rows
        where {existed} and exists (select 1 from {undone_keys} as undone where {_same_key(extract, "rows", "undone")})
        """


def _after(extract: Extract, then: Then) -> str:
    return f"({_AFTER[extract.name].replace('$last', literal(then.last_day.isoformat()) + '::date')})"


def _decided(extract: Extract, then: Then, as_of: date) -> str:
    """Whether a proposal was open at the closing and is decided now."""
    if extract.name != "proposals":
        return "false"
    return (
        f"coalesce((former.outcome = 'open' or former.decided_date > date '{then.as_of}')"
        f" and present.outcome <> 'open' and coalesce(present.decided_date <= date '{as_of}', true), false)"
    )


def _is_deleted(extract: Extract, then: Then) -> str:
    """Whether a row that was delivered since deletes the key."""
    return (
        f"exists (select 1 from parsed.{extract.name} as rows where {_same_key(extract, 'rows', 'paired')}"
        f" and rows._delivery > {then.delivery} and rows.is_deleted and rows._reason is null)"
    )


def _same(columns: list[str], one: str, other: str) -> str:
    return "(" + " and ".join(f"{one}.{name} is not distinct from {other}.{name}" for name in columns) + ")"


def _same_key(extract: Extract, one: str, other: str) -> str:
    return " and ".join(f"{one}.{name} is not distinct from {other}.{name}" for name in extract.key)
