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

    @classmethod
    def failing_rows(cls, settings: Settings, context: AuditContext) -> str:
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
            )
            select string_agg(client_id || ' ' || client_name, ' = ' order by client_id) as what
            from without_form
            where coalesce(nullif(bare_name, ''), plain_name) <> ''
            group by coalesce(nullif(bare_name, ''), plain_name)
            having count(*) > 1
        """
