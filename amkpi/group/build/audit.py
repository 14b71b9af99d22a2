"""The audit of a group's build: rules that hold between the agencies' publications and the group's marts.

They are a few queries over small tables. Great Expectations, which audits the agencies, takes longer to import than a
build of the group takes.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from amkpi.core.findings import EXAMPLES, Finding

# Two sums of the same numbers in another order.
_NEAR = "abs({a} - {b}) <= 1e-9 * greatest(abs({a}), abs({b}))"


@dataclass(frozen=True)
class Check:
    """A rule of the audit. failing_rows: SQL that gives a row with the column `what` for each failure."""

    name: str
    table: str
    failing_rows: str
    advice: str
    blocks: bool = True


def _differs(a: str, b: str) -> str:
    return f"not ({_NEAR.format(a=a, b=b)})"


CHECKS = (
    Check(
        "every_rate_is_there",
        "group_kpi_evidence",
        "select 'no rate for ' || currency || ' on or before ' || min(rate_date) as what from marts.group_kpi_evidence"
        " where currency is not null and rate is null group by currency",
        "Add a row for that currency, dated on or before that day, to fx_rates.csv beside agencies.toml.",
    ),
    Check(
        "no_publication_counts_twice",
        "group_agencies",
        "select string_agg(agency, ' and ' order by agency) || ' have the same publication ' || publication_id as what"
        " from marts.group_agencies where not is_missing group by publication_id having count(*) > 1",
        "Two homes in agencies.toml hold the same data: remove one of them.",
    ),
    *(
        Check(
            "every_row_is_there_once",
            mart,
            f"select concat_ws(' ', {keys}) as what from marts.{mart} group by {keys} having count(*) > 1",
            "The group's build counts something twice: report this as a defect.",
        )
        for mart, keys in (
            ("group_agencies", "agency"),
            ("group_kpi_values", "kpi, level, code, period_grain, period_start"),
            ("group_scorecards", "level, code, period_grain, period_start"),
            ("group_scorecard_lines", "kpi, level, code, period_grain, period_start"),
        )
    ),
    Check(
        "an_agency_has_its_own_values",
        "group_kpi_values",
        "select own.agency || ' ' || own.kpi || ' ' || own.period_grain || ' ' || own.period_start as what"
        " from sources.agency_values as own inner join sources.kpi_catalogue as catalogue on own.kpi = catalogue.kpi"
        " inner join sources.agencies as agencies on own.agency = agencies.agency"
        " left join marts.group_kpi_values as found on found.level = 'agency' and found.code = own.agency"
        " and found.kpi = own.kpi and found.period_grain = own.period_grain and found.period_start = own.period_start"
        " where found.kpi is null or (own.value, own.numerator, own.denominator) is distinct from"
        " (found.local_value, found.local_numerator, found.local_denominator)"
        " or own.sample_size <> found.sample_size or own.null_reason is distinct from found.null_reason"
        " or (coalesce(found.currency = found.local_currency, true) and (own.value, own.numerator, own.denominator)"
        " is distinct from (found.value, found.numerator, found.denominator))",
        "The group's build does not show what the agency publishes: report this as a defect.",
    ),
    Check(
        "records_add_up_to_the_values_of_agencies",
        "group_kpi_evidence",
        "select own.agency || ' ' || own.kpi || ' ' || own.period_grain || ' ' || own.period_start as what"
        " from sources.agency_values as own inner join sources.kpi_catalogue as catalogue on own.kpi = catalogue.kpi"
        " left join intermediate.int_agency_sums as sums on own.agency = sums.agency and own.kpi = sums.kpi"
        " and own.period_grain = sums.period_grain and own.period_start = sums.period_start"
        " where not catalogue.is_private and"
        f" ({_differs('coalesce(own.numerator, 0)', 'coalesce(sums.local_numerator, 0)::double')}"
        f" or {_differs('coalesce(own.denominator, 0)', 'coalesce(sums.local_denominator, 0)::double')})",
        "The agency's publication contradicts itself: run `amkpi audit` there, and publish it again.",
    ),
    Check(
        "agencies_add_up_to_regions_and_the_group",
        "group_kpi_values",
        "select found.level || coalesce(' ' || found.code, '') || ' ' || found.kpi || ' ' || found.period_grain || ' '"
        " || found.period_start as what from marts.group_kpi_values as found"
        " inner join sources.kpi_catalogue as catalogue on found.kpi = catalogue.kpi left join ("
        " select level, code, kpi, period_grain, period_start, sum(numerator) as numerator, sum(denominator) as"
        " denominator, count(*) as agencies from (select levels.level, levels.code, of_agency.kpi,"
        " of_agency.period_grain, of_agency.period_start, of_agency.numerator, of_agency.denominator"
        " from marts.group_kpi_values as of_agency inner join intermediate.int_levels as levels"
        " on of_agency.level = 'agency' and of_agency.code = levels.agency) as each group by all) as summed"
        " on found.level = summed.level and found.code is not distinct from summed.code and found.kpi = summed.kpi"
        " and found.period_grain = summed.period_grain and found.period_start = summed.period_start"
        " where found.level <> 'agency' and not catalogue.is_private and (found.agencies_counted is distinct from"
        " summed.agencies"
        f" or {_differs('coalesce(found.numerator, 0)', 'coalesce(summed.numerator, 0)')}"
        f" or {_differs('coalesce(found.denominator, 0)', 'coalesce(summed.denominator, 0)')})",
        "The group's build adds up wrongly: report this as a defect.",
    ),
    Check(
        "private_kpis_stay_in_one_agency",
        "group_kpi_values",
        "select level || coalesce(' ' || code, '') || ' ' || kpi || ' ' || period_start as what"
        " from marts.group_kpi_values inner join sources.kpi_catalogue as catalogue using (kpi)"
        " where level <> 'agency' and catalogue.is_private and (value is not null or numerator is not null)"
        " union all select agency || ' ' || kpi as what from marts.group_kpi_evidence"
        " inner join sources.kpi_catalogue as catalogue using (kpi) where catalogue.is_private",
        "The group's build compares what is compared within one agency alone: report this as a defect.",
    ),
    Check(
        "every_agency_is_there",
        "group_agencies",
        "select agency || ': ' || problem as what from marts.group_agencies where is_missing",
        "Nothing of these agencies is counted. Run `amkpi run` for each, then build the group again.",
        blocks=False,
    ),
    Check(
        "every_agency_has_the_same_day",
        "group_agencies",
        "select agency || ' as of ' || as_of as what from marts.group_agencies where is_ahead",
        "Their days after the last common one are counted. Run `amkpi run` for the others, then build the group again.",
        blocks=False,
    ),
    Check(
        "no_agency_is_far_behind",
        "group_agencies",
        "select agency || ' as of ' || as_of as what from marts.group_agencies where is_behind",
        "What they recorded later is not counted. Run `amkpi run` for them, then build the group again.",
        blocks=False,
    ),
)


def audit(connection: duckdb.DuckDBPyConnection) -> list[Finding]:
    """Ask every rule of the build in the warehouse, and keep the results in `audit.results`."""
    findings = [_ask(connection, check) for check in CHECKS]
    connection.execute("delete from audit.results")
    for each in findings:
        connection.execute(
            "insert into audit.results (name, success, severity, observed, unexpected_count) values (?, ?, ?, ?, ?)",
            [each.expectation, each.success, each.severity, each.observed, each.unexpected_count],
        )
    return findings


def _ask(connection: duckdb.DuckDBPyConnection, check: Check) -> Finding:
    rows = connection.execute(f"select what from ({check.failing_rows}) as found order by what").fetchall()
    examples = [str(what) for (what,) in rows]
    more = f", and {len(examples) - EXAMPLES} more" if len(examples) > EXAMPLES else ""
    return Finding(
        suite="group",
        expectation=check.name,
        table_name=check.table,
        column_name=None,
        success=not examples,
        severity="blocking" if check.blocks else "warning",
        observed=", ".join(examples[:EXAMPLES]) + more if examples else "as it should be",
        unexpected_count=len(examples),
        advice=check.advice,
    )
