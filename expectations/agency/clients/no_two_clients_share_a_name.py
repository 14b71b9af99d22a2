"""Two clients with the same name are most likely one client that was entered twice."""

from __future__ import annotations

from amkpi.core.settings import Settings
from amkpi.expectations.context import AuditContext
from amkpi.expectations.expectation import WARNING, FailingRowsExpectation

# In Vietnamese the legal form comes first, in English last; only there it is not a part of the name. Words for the
# business (Thương mại, Dịch vụ) or the group (Tập đoàn, Group) distinguish two firms, so they are kept.
_LEADING_FORM = (
    "^(cong ty|cty)( (tnhh|trach nhiem huu han|co phan|cp|hop danh|lien doanh))?( (mtv|mot thanh vien|1 thanh vien))? "
    "|^(tnhh|ctcp|dntn|doanh nghiep tu nhan)( mtv)? "
)
_TRAILING_FORM = (
    "( (jsc|joint stock company|co ltd|company limited|company|ltd|limited|llc|inc|corp|corporation|plc))+$"
)

# Of one name in a message: with three names that a message has, fewer than ten clients.
MOST_CLIENTS = 3


class NoTwoClientsShareAName(FailingRowsExpectation):
    """The names of clients differ in more than case, accents, punctuation and the legal form."""

    name = "no_two_clients_share_a_name"
    table = "staging.stg_clients"
    column_name = "client_name"
    severity = WARNING
    singular, plural = "name", "names"
    advice = (
        "Merge the two clients in the CRM, deliver their records under one client_id, and deliver the other client with"
        " is_deleted. Until then retention and up-selling count one client as two. If they are two clients, give them"
        " different names."
    )

    # Somebody has to merge them: the page lists all.
    most_rows = 1000

    @classmethod
    def failing_rows(cls, settings: Settings, context: AuditContext) -> str:
        return _names(MOST_CLIENTS)

    @classmethod
    def concerned_rows(cls, settings: Settings, context: AuditContext) -> str:
        return _names(None)


def _names(most_clients: int | None) -> str:
    """SQL for the names of several clients, each with its clients. A name that they all share is named once."""
    shown = "clients" if most_clients is None else f"list_slice(clients, 1, {most_clients})"
    ids = "ids" if most_clients is None else f"list_slice(ids, 1, {most_clients})"
    more = f"case when len(ids) > {most_clients} then ' and ' || (len(ids) - {most_clients}) || ' more' else '' end"
    # strip_accents leaves đ, which is a letter of its own.
    return f"""
        with plain as (
            select
                client_id,
                client_name,
                trim(regexp_replace(
                    replace(replace(lower(strip_accents(client_name)), 'đ', 'd'), '.', ''),
                    '[^\\pL\\pN]+', ' ', 'g'
                )) as plain_name
            from {{batch}}
        ),
        without_form as (
            select
                *,
                regexp_replace(regexp_replace(plain_name, '{_LEADING_FORM}', ''), '{_TRAILING_FORM}', '')
                    as bare_name
            from plain
        ),
        shared as (
            select
                list(client_id order by client_id) as ids,
                list(client_id || ' ' || client_name order by client_id) as clients,
                case when count(distinct client_name) = 1 then any_value(client_name) end as one_name
            from without_form
            where coalesce(nullif(bare_name, ''), plain_name) <> ''
            group by coalesce(nullif(bare_name, ''), plain_name)
            having count(*) > 1
        )
        select
            case
                when one_name is null then array_to_string({shown}, ' = ')
                else one_name || ' = ' || array_to_string({ids}, ', ')
            end || {"''" if most_clients is None else more} as what
        from shared
    """
