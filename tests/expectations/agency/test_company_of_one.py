"""The only person of an agency who manages themselves is a warning; in any other agency that is a loop, and blocks."""

from __future__ import annotations

import pytest

from amkpi.core.settings import Settings
from tests.expectations.audits import audit
from tests.expectations.conftest import Break

pytestmark = pytest.mark.slow

NAME = "a_company_of_one_has_no_manager"
ONE = "delete from parsed.staff where staff_id <> 'M1'"
SELF = "update parsed.staff set manager_id = 'M1' where staff_id = 'M1'"


def test_the_only_person_is_named(broken: Break, settings: Settings) -> None:
    finding = audit(broken(ONE, SELF), settings)[NAME]
    assert (finding.severity, finding.success, finding.rows) == ("warning", False, ("M1 Nguyễn Thị Minh",))


@pytest.mark.parametrize("changes", [(ONE,), (SELF,)], ids=["nobody above", "not the only person"])
def test_nothing_else_is_named(broken: Break, settings: Settings, changes: tuple[str, ...]) -> None:
    assert audit(broken(*changes), settings)[NAME].success
