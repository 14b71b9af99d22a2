"""What the agency's own data says that can hardly be meant. All of it is published, and each is a warning.

The figures follow the rules exactly, but somebody at the source should look. Records older than `audit_days` are
let rest: a doubt that nobody resolved in a year only hides the new ones.
"""

from __future__ import annotations

import re

from amkpi.core.settings import Settings
from amkpi.expectations.context import Occasion
from amkpi.expectations.declaration import Expected, NoRows, Suite
from amkpi.expectations.suites.marts import COLLABORATION, TOLERANCE

# Vietnamese forms lead and English ones trail: only there are they no part of the name. What a firm does (Thương mại,
# Dịch vụ) and what it belongs to (Tập đoàn, Group) tells two firms apart: it stays.
_LEADING_FORM = (
    "^(cong ty|cty)( (tnhh|trach nhiem huu han|co phan|cp|hop danh|lien doanh))?( (mtv|mot thanh vien|1 thanh vien))? "
    "|^(tnhh|ctcp|dntn|doanh nghiep tu nhan)( mtv)? "
)
_TRAILING_FORM = (
    "( (jsc|joint stock company|co ltd|company limited|company|ltd|limited|llc|inc|corp|corporation|plc))+$"
)

# Marks and case are how two people write one name; đ is a letter, not a mark.
_NAMESAKES = f"""
    with plain as (
        select
            client_id,
            client_name,
            trim(regexp_replace(
                replace(replace(lower(strip_accents(client_name)), 'đ', 'd'), '.', ''), '[^\\pL\\pN]+', ' ', 'g'
            )) as plain_name
        from {{batch}}
    ),
    without_form as (
        select
            *,
            regexp_replace(regexp_replace(plain_name, '{_LEADING_FORM}', ''), '{_TRAILING_FORM}', '') as bare_name
        from plain
    )
    select string_agg(client_id || ' ' || client_name, ' = ' order by client_id) as what
    from without_form
    where coalesce(nullif(bare_name, ''), plain_name) <> ''
    group by coalesce(nullif(bare_name, ''), plain_name)
    having count(*) > 1
"""

# A cancellation is not asked: it goes to whoever signed, however long ago. Nor are peer reviews: they are private.
_STRANGE_OWNERS = """
    with owned as (
        select source_extract, source_id, client_id, staff_id, min(event_date) as event_date
        from {{batch}}
        where staff_id is not null and sample_size > 0
        group by source_extract, source_id, client_id, staff_id
    ),
    strange as (
        select owned.*
        from owned
        left join intermediate.int_staff_history as account_staff
            on owned.staff_id = account_staff.staff_id
            and account_staff.is_account_staff
            and owned.event_date >= account_staff.valid_from
            and owned.event_date - {grace} <= account_staff.valid_to
        where owned.event_date > {after} and account_staff.staff_id is null
            and exists (select 1 from intermediate.int_staff_history)
    )
    select distinct
        strange.source_extract || ' ' || strange.source_id || ' of ' || strange.event_date
        || ', ' || strange.staff_id || coalesce(' ' || person.full_name, '') || ' is '
        || coalesce(that_day.role || case when that_day.is_active then '' else ', inactive' end, 'not yet on the staff')
        as what
    from strange
    left join marts.dim_staff as person on strange.staff_id = person.staff_id
    left join intermediate.int_staff_history as that_day
        on strange.staff_id = that_day.staff_id
        and strange.event_date between that_day.valid_from and that_day.valid_to
"""

_UNMANAGED = """
    with managed as (
        select
            active.client_id,
            managers.account_manager_id as manager_id,
            manager.role,
            coalesce(manager.is_account_staff, false)
            -- Whom nobody has delivered cannot be judged.
            or not exists (select 1 from intermediate.int_staff_history) as is_account_staff
        from {{batch}} as active
        left join intermediate.int_client_managers as managers
            on active.client_id = managers.client_id
            and {as_of} between managers.valid_from and managers.valid_to
        left join intermediate.int_staff_history as manager
            on managers.account_manager_id = manager.staff_id
            and {as_of} between manager.valid_from and manager.valid_to
        where active.day = {as_of} and exists (select 1 from intermediate.int_client_managers)
    )
    select
        managed.client_id || coalesce(' ' || client.client_name, '')
        || case
            when managed.manager_id is null then ', nobody'
            else ', ' || managed.manager_id || coalesce(' ' || person.full_name, '') || ' is no active account staff'
        end as what
    from managed
    left join marts.dim_client as client on managed.client_id = client.client_id
    left join marts.dim_staff as person on managed.manager_id = person.staff_id
    where managed.manager_id is null or not managed.is_account_staff
"""

_DELIVERED_WITHOUT = """
    with delivered as (
        select
            projects.project_id,
            projects.project_name,
            projects.client_id,
            projects.delivered_date,
            {lacks} as is_lacking
        from {{batch}} as projects
        left join intermediate.int_project_costs as costs on projects.project_id = costs.project_id
        where projects.delivered_date > {after} and projects.delivered_date <= {as_of}
            and (projects.cancelled_date is null or projects.cancelled_date > {as_of})
    ),
    share as (
        select count(case when is_lacking then 1 end) as lacking, count(*) as of_all from delivered
    )
    select project_id || ' ' || project_name || ' of ' || client_id || ', delivered ' || delivered_date as what
    from delivered
    where is_lacking and {judged} and (select lacking > {limit} * of_all from share)
"""

# Where money is turned into the reporting currency, by which rate, and how old that was.
_USES_OF_RATES = """
    with dated as (
        select 'contracts' as extract, contract_id as id, currency, signed_date as used_on from staging.stg_contracts
        union all
        select 'project_costs', cost_id, currency, cost_date from staging.stg_project_costs
        union all
        select 'projects', project_id, currency, start_date from staging.stg_projects where budget_amount > 0
    ),
    aged as (
        select dated.*, rates.valid_from as rate_date, dated.used_on - rates.valid_from as days
        from dated
        inner join {{batch}} as rates
            on dated.currency = rates.currency
            and dated.used_on between rates.valid_from and rates.valid_to
        where dated.currency <> '{reporting_currency}' and dated.used_on > {after} and dated.used_on <= {as_of}
    )
"""
_OLD_RATES = """
    {uses}
    select
        currency || ' of ' || rate_date || ' for ' || count(*)
        || case when count(*) = 1 then ' record' else ' records' end
        || ', up to ' || max(days) || ' days later' as what
    from aged
    where days > {max_age}
    group by currency, rate_date
"""
_USES_OF_OLD_RATES = """
    {uses}
    select extract || ' ' || id || ' of ' || used_on || ', ' || currency || ' of ' || rate_date as what
    from aged
    where days > {max_age}
"""

# The usual amount of a contract is the median of the client's other ones. For one above it, leaving out the largest
# gives the same lower half, and so the same median, as leaving out itself: one pass, no pairs.
_HUGE_AMOUNTS = """
    with signed as (
        select
            contract_id, client_id, currency, signed_date, amount,
            row_number() over (partition by client_id, currency order by amount desc, contract_id) as place
        from {{batch}}
        where signed_date <= {as_of}
    ),
    usual as (
        select client_id, currency, count(*) as others, median(amount) as amount
        from signed
        where place > 1
        group by client_id, currency
    )
    select
        signed.contract_id || ' of ' || signed.client_id || coalesce(' ' || client.client_name, '')
        || ', signed ' || signed.signed_date || ', '
        || format('{{{{:,}}}}', cast(signed.amount as bigint)) || ' ' || signed.currency
        || ', usually ' || format('{{{{:,}}}}', cast(usual.amount as bigint)) as what
    from signed
    inner join usual on signed.client_id = usual.client_id and signed.currency = usual.currency
    left join marts.dim_client as client on signed.client_id = client.client_id
    where signed.signed_date > {after} and usual.others >= {min_others}
        and usual.amount > 0 and signed.amount >= {factor} * usual.amount
"""

# Periods begin with the first record: one year mistyped makes thousands of empty months, which nobody would see.
_TOO_OLD = """
    select distinct source_extract || ' ' || source_id || ' of ' || event_date as what
    from {{batch}}
    where event_date < {as_of} - interval {years} year
"""

# A closed period of the same date should give what it gave. Of collaboration no figures: from two means, the number of
# raters between them, one could work out what the last rater said.
# Where the build kept the rows of that very publication, only those that it made anew are compared. By what the mart
# is a view of: asked for some periods, the views read all.
# Materialized: left to itself, DuckDB joined the two in an order that did not end.
_MOVED = f"""
    with kept as materialized (
        select period_id
        from intermediate.int_periods
        where period_id not in (select period_id from intermediate.int_changed_periods)
            and (select max(based_on) from audit.build) = '{{published}}'
    ),
    compared_periods as materialized (
        select period_id from intermediate.int_periods
        union
        select period_id from published.intermediate.int_period_months
        except
        select period_id from kept
    ),
    before as materialized (
        select kpi, scope, person_key as person, period_grain, period_start, value
        from published.intermediate.int_kpi_values
        inner join published.intermediate.{{members}} using (subject_id, period_id)
        inner join published.intermediate.int_kpi_catalogue using (kpi_number)
        where period_id in (select period_id from compared_periods)
            and not is_provisional and (select max(as_of) from published.marts.publication) = {{as_of}}
    ),
    now as materialized (
        select kpi, scope, person_key as person, period_grain, period_start, value
        from {{{{batch}}}}
        inner join intermediate.int_scope_members using (subject_id, period_id)
        inner join intermediate.int_kpi_catalogue using (kpi_number)
        where period_id in (select period_id from compared_periods)
            and not is_provisional and exists (select 1 from before)
    ),
    compared as (
        select
            coalesce(now.kpi, before.kpi) as kpi,
            coalesce(now.scope, before.scope) as scope,
            coalesce(now.person, before.person) as person,
            coalesce(now.period_grain, before.period_grain) as period_grain,
            coalesce(now.period_start, before.period_start) as period_start,
            before.value as was,
            now.value as is_now
        from now
        full join before
            on now.kpi = before.kpi
            and now.scope = before.scope
            and now.person = before.person
            and now.period_grain = before.period_grain
            and now.period_start = before.period_start
    )
    select
        kpi || ' ' || scope || case when person = '' then '' else ' ' || person end
        || ' ' || period_grain || ' ' || period_start
        || case
            when kpi = '{COLLABORATION}' then ''
            else ', ' || coalesce(cast(round(was, 6) as varchar), 'nothing')
                || ' → ' || coalesce(cast(round(is_now, 6) as varchar), 'nothing')
        end as what
    from compared
    where (was is null) <> (is_now is null)
        or abs(was - is_now) > {TOLERANCE} * greatest(abs(was), abs(is_now))
"""
_NOTHING_TO_COMPARE = "select kpi_number as what from {batch} where false"


def agency_suite(settings: Settings, occasion: Occasion) -> Suite:
    """The expectations of what the data says, with the agency's limits."""
    as_of = f"date '{occasion.as_of}'"
    about = {"as_of": as_of, "after": f"({as_of} - {settings.audit.days})"}
    uses = _USES_OF_RATES.format(**about, reporting_currency=settings.kpi.reporting_currency)
    published = occasion.published is not None
    # By the name of its file; another name is that of no build.
    named = re.fullmatch(r"kpi_([0-9a-f]{16})", occasion.published.stem) if occasion.published else None
    of_publication = named[1] if named else ""
    return Suite(
        "agency",
        (
            Expected(
                name="no_two_clients_share_a_name",
                table="staging.stg_clients",
                column="client_name",
                rule=NoRows(_NAMESAKES, one="name", many="names"),
                severity="warning",
                advice=(
                    "Most likely one client entered twice: its contracts lie apart, so retention and up-selling count"
                    " it twice. Merge the two in the CRM, deliver their records under one client_id, and the other"
                    " client with is_deleted. If they are two clients, let their names tell them apart."
                ),
            ),
            Expected(
                name="owners_are_account_staff",
                table="intermediate.int_kpi_records",
                column="staff_id",
                rule=NoRows(
                    _STRANGE_OWNERS.format(**about, grace=settings.audit.owner_grace_days), one="record", many="records"
                ),
                severity="warning",
                advice=(
                    "These people get the credit but were no account staff on that date, nor owner_grace_days before"
                    " it. Correct owner_id at the source, or the person's role and valid_from in the HR system."
                ),
            ),
            Expected(
                name="every_active_client_has_a_manager",
                table="intermediate.int_active_clients",
                column="client_id",
                rule=NoRows(_UNMANAGED.format(**about), one="client", many="clients"),
                severity="warning",
                advice=(
                    "What these clients bring counts for the company alone, or for somebody who has left. Assign them"
                    " to an account manager and deliver `client_assignments` again."
                ),
            ),
            Expected(
                name="delivered_projects_have_a_budget",
                table="staging.stg_projects",
                column="budget_amount",
                rule=NoRows(
                    _DELIVERED_WITHOUT.format(
                        **about,
                        lacks="coalesce(projects.budget_amount, 0) = 0",
                        judged="true",
                        limit=settings.audit.max_share_without_budget,
                    ),
                    one="project",
                    many="projects",
                ),
                severity="warning",
                advice=(
                    "They are left out of the cost to budget ratio, which may look better or worse than it is. Have"
                    " the budgets entered in the project tool and the projects delivered again."
                    " max_share_without_budget says how many are let pass."
                ),
            ),
            Expected(
                name="delivered_projects_have_costs",
                table="staging.stg_projects",
                column="project_id",
                rule=NoRows(
                    _DELIVERED_WITHOUT.format(
                        **about,
                        lacks="costs.project_id is null",
                        judged="exists (select 1 from staging.stg_project_costs)",
                        limit=settings.audit.max_share_without_cost,
                    ),
                    one="project",
                    many="projects",
                ),
                severity="warning",
                advice=(
                    "No project is free: their time sheets or invoices were not booked, or booked elsewhere. They are"
                    " left out of the cost to budget ratio. Have the costs booked and delivered."
                    " max_share_without_cost says how many are let pass."
                ),
            ),
            Expected(
                name="rates_are_recent_when_used",
                table="intermediate.int_fx_history",
                column="rate_date",
                rule=NoRows(
                    _OLD_RATES.format(uses=uses, max_age=settings.audit.max_rate_age_days),
                    one="rate",
                    many="rates",
                    rows=_USES_OF_OLD_RATES.format(uses=uses, max_age=settings.audit.max_rate_age_days),
                ),
                severity="warning",
                advice=(
                    "Money is counted at a rate that was old on its date. Deliver the rates that lack in `fx_rates`,"
                    " with their own dates: the figures follow by themselves. max_rate_age_days says what is old."
                ),
            ),
            Expected(
                name="amounts_are_like_the_clients_usual",
                table="staging.stg_contracts",
                column="amount",
                rule=NoRows(
                    _HUGE_AMOUNTS.format(
                        **about, factor=settings.audit.amount_factor, min_others=settings.audit.amount_min_others
                    ),
                    one="contract",
                    many="contracts",
                ),
                severity="warning",
                advice=(
                    "Look for a zero too many, a currency left at VND, or a point taken for a thousands separator;"
                    " correct it in the CRM and deliver the contract again. One that is really that large needs"
                    " nothing. amount_factor says what is large."
                ),
            ),
            Expected(
                name="records_are_of_this_age",
                table="intermediate.int_kpi_records",
                column="event_date",
                rule=NoRows(
                    _TOO_OLD.format(as_of=as_of, years=settings.audit.max_record_age_years),
                    one="record",
                    many="records",
                ),
                severity="warning",
                advice=(
                    "Their year was most likely mistyped (0202, 1925): they count in periods that nobody looks at, and"
                    " every month since then is computed. Correct the date at the source and deliver the record again."
                    " max_record_age_years says what is too old."
                ),
            ),
            Expected(
                name="closed_periods_stand_still",
                table="intermediate.int_kpi_values",
                column="value",
                rule=NoRows(
                    _MOVED.format(as_of=as_of, published=of_publication, members=occasion.members_table)
                    if occasion.published
                    else _NOTHING_TO_COMPARE,
                    one="value",
                    many="values" if published else "values, as nothing of this date is published to compare with",
                ),
                severity="warning",
                advice=(
                    "The last publication of this same date said otherwise about a closed period. Late rows, a changed"
                    " setting or a new version do that: see what came since in marts.load_ledger, and tell those who"
                    " were shown the old figures."
                ),
            ),
        ),
    )
