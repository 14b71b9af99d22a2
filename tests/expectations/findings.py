"""Findings as an audit returns them: one that passed, a warning and a blocking failure."""

from __future__ import annotations

from amkpi.core.findings import Finding

# Text as a source may deliver it.
HOSTILE = '<b>Trà Xanh</b> & "O\'Hara" <script>alert(1)</script>'

PASSED = Finding(
    "marts", "numbers_are_finite", "marts.kpi_values", "value", True, "blocking", "0 rows", 0, "Build again."
)
WARNED = Finding(
    "agency", "no_two_clients_share_a_name", "staging.stg_clients", "client_name", False, "warning",
    "1 name: K1 Nhà Đẹp = K2 NHA DEP", 1, "Merge them with `amkpi`.", ("K1 Nhà Đẹp = K2 NHA DEP",),
)  # fmt: skip
BLOCKED = Finding(
    "raw", "few_enough_rows_are_quarantined", "validation.quarantine", None, False, "blocking",
    "1 extract: contracts 33.3 % (2 of 6 rows)", 1, "Look for the reason.", ("a.csv line 2", "a.csv line 4"),
)  # fmt: skip
