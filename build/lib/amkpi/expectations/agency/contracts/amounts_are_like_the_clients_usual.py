"""A contract that is many times larger than usual is often a typing error."""

from __future__ import annotations

from amkpi.core.settings import Settings
from amkpi.expectations.context import AuditContext
from amkpi.expectations.expectation import WARNING, FailingRowsExpectation


class AmountsAreLikeTheClientsUsual(FailingRowsExpectation):
    """A recent contract is below `amount_factor` times the median of the client's other contracts in its currency."""

    name = "amounts_are_like_the_clients_usual"
    table = "staging.stg_contracts"
    column_name = "amount"
    severity = WARNING
    singular, plural = "contract", "contracts"
    advice = (
        "Look for an extra zero, a currency left at VND, or a decimal point read as a thousands separator; correct it"
        " in the CRM and deliver the contract again. If the amount is right, do nothing. The setting amount_factor says"
        " what is large."
    )

    @classmethod
    def failing_rows(cls, settings: Settings, context: AuditContext) -> str:
        as_of = f"date '{context.as_of}'"
        # The median should leave out the contract in question. If that contract is above the median, leaving out the
        # largest one gives the same median, and takes one pass instead of a join of all pairs.
        return f"""
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
            where signed.signed_date > ({as_of} - {settings.audit.days})
                and usual.others >= {settings.audit.amount_min_others}
                and usual.amount > 0
                and signed.amount >= {settings.audit.amount_factor} * usual.amount
        """
