"""Which share of quarantined rows warns, and which blocks."""

from __future__ import annotations

import pytest

from amkpi.core.setting_groups.pipeline import Audit
from amkpi.core.settings import Settings
from tests.changed_settings import changed
from tests.expectations.audits import audit, audit_raw, blocking, failed
from tests.expectations.conftest import Break
from tests.expectations.raw.faults import A_QUARANTINED_ROW, BLOCKING_FAULTS

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("expectation", "observed", "statements"), BLOCKING_FAULTS)
def test_a_fault_of_the_raw_data_blocks(
    broken: Break, settings: Settings, expectation: str, observed: str, statements: list[str]
) -> None:
    findings = audit(broken(*statements), settings)
    assert blocking(findings) == {expectation}
    assert findings[expectation].observed == observed


def test_how_many_rows_may_be_quarantined_is_a_setting(broken: Break, settings: Settings) -> None:
    warehouse = broken(A_QUARANTINED_ROW.format("contracts"))
    patient = changed(settings, max_quarantined_share=0.34, warn_quarantined_share=0.34)
    assert failed(audit(warehouse, patient)) == set()


def test_exactly_the_allowed_share_passes_and_exactly_the_warning_share_warns(
    broken: Break, settings: Settings
) -> None:
    # One of five rows: exactly 0.2.
    warehouse = broken(A_QUARANTINED_ROW.format("staff"))
    strict = changed(settings, max_quarantined_share=0.2, warn_quarantined_share=0.2)
    assert failed(audit(warehouse, strict)) == {"hardly_any_rows_are_quarantined"}


def test_rows_that_a_person_has_set_aside_leave_the_share(broken: Break, settings: Settings) -> None:
    warehouse = broken(
        "insert into validation.held_back"
        " (extract, _delivery, _line, reason, column_name, raw_row, keeps_older_row)"
        " select 'contracts', _delivery, _line, 'bad_type', 'amount', null, false from raw.contracts",
        "insert into validation.dismissed select 'contracts', _delivery, _line from raw.contracts where _line > 2",
    )
    found = audit_raw(warehouse, settings)["hardly_any_rows_are_quarantined"]
    assert found.observed == "1 extract: contracts 33.3 % (1 of 3 rows)"
    assert found.rows == ("contracts/contracts.csv line 2 as contracts: bad_type in amount",)


def test_quarantined_rows_are_reported_by_file_line_and_reason(broken: Break, settings: Settings) -> None:
    warehouse = broken(
        "insert into validation.held_back"
        " (extract, _delivery, _line, reason, column_name, raw_row, keeps_older_row)"
        " select 'contracts', _delivery, _line, 'bad_type', 'amount', 'secret', false from raw.contracts"
    )
    found = audit_raw(warehouse, settings)["few_enough_rows_are_quarantined"]
    assert found.observed == "1 extract: contracts 100.0 % (3 of 3 rows)"
    assert found.rows == tuple(f"contracts/contracts.csv line {n} as contracts: bad_type in amount" for n in (2, 3, 4))
    assert found.unexpected_count == 1


def test_a_few_bad_rows_of_a_small_extract_warn_and_do_not_block(broken: Break, settings: Settings) -> None:
    # Two of three rows, then of exactly as many rows as the setting says.
    warehouse = broken(A_QUARANTINED_ROW.format("contracts"), A_QUARANTINED_ROW.format("contracts"))
    assert failed(audit_raw(warehouse, changed(settings, min_rows_for_share=4))) == {"hardly_any_rows_are_quarantined"}
    assert "few_enough_rows_are_quarantined" in failed(audit_raw(warehouse, changed(settings, min_rows_for_share=3)))


def test_the_share_counts_from_fifty_rows_on_by_default() -> None:
    assert Audit().min_rows_for_share == 50
