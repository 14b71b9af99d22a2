"""Writes the eleven extracts, row by row, and counts what it wrote."""

import csv
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

COLUMNS: dict[str, tuple[str, ...]] = {
    "clients": ("client_id", "client_name", "industry"),
    "proposals": (
        "proposal_id", "client_id", "owner_id", "kind", "amount", "currency", "sent_date", "outcome", "decided_date",
        "supersedes_proposal_id",
    ),
    "contracts": (
        "contract_id", "client_id", "owner_id", "proposal_id", "kind", "signed_date", "start_date", "end_date",
        "amount", "currency", "cancelled_date",
    ),
    "projects": (
        "project_id", "client_id", "owner_id", "contract_id", "project_name", "start_date", "committed_due_date",
        "agreed_due_date", "agreed_on", "delivered_date", "cancelled_date", "budget_amount", "currency",
    ),
    "project_costs": ("cost_id", "project_id", "cost_date", "department", "amount", "currency"),
    "client_surveys": (
        "response_id", "client_id", "project_id", "sent_date", "responded_date", "score", "scale_min", "scale_max",
        "comment",
    ),
    "peer_reviews": (
        "review_id", "account_manager_id", "reviewer_id", "reviewer_department", "review_date", "teamwork_score",
        "project_management_score", "scale_min", "scale_max",
    ),
    "staff": (
        "staff_id", "valid_from", "full_name", "email", "role", "department", "manager_id", "locale", "is_active",
    ),
    "client_assignments": ("client_id", "valid_from", "account_manager_id", "valid_to"),
    "kpi_targets": ("kpi", "scope", "period_grain", "staff_id", "role", "valid_from", "target", "weight"),
    "fx_rates": ("currency", "rate_date", "rate"),
}  # fmt: skip

# How ids begin: Vietnamese abbreviations, as agencies use them (NV nhân viên, KH khách hàng, BG báo giá, HD hợp đồng,
# DA dự án, CP chi phí, KS khảo sát, DG đánh giá).
_ID_FORMS = {
    "staff": "NV{:03d}",
    "clients": "KH{:03d}",
    "proposals": "BG{:05d}",
    "contracts": "HD{:05d}",
    "projects": "DA{:05d}",
    "project_costs": "CP{:06d}",
    "client_surveys": "KS{:05d}",
    "peer_reviews": "DG{:05d}",
}


class Landing:
    """The eleven files while they are being written."""

    def __init__(self, writers: dict[str, Any]) -> None:
        self._write = {extract: writer.writerow for extract, writer in writers.items()}
        self._ids = dict.fromkeys(_ID_FORMS, 0)
        self.rows = dict.fromkeys(COLUMNS, 0)

    def new_id(self, extract: str) -> str:
        """The next id of an extract's key."""
        self._ids[extract] += 1
        return _ID_FORMS[extract].format(self._ids[extract])

    def add(self, extract: str, row: tuple[str, ...]) -> None:
        """One row, its cells in the order of `COLUMNS`."""
        self._write[extract](row)
        self.rows[extract] += 1


@contextmanager
def open_landing(directory: Path) -> Iterator[Landing]:
    """Opens `directory/<extract>/<extract>.csv` for all extracts.

    Until all rows are there the files end in `.part`, which a load leaves alone; after an error they are removed, and
    files of an earlier sample stay as they were.
    """
    finished = {extract: directory / extract / f"{extract}.csv" for extract in COLUMNS}
    parts = {extract: path.with_name(f"{path.name}.part") for extract, path in finished.items()}
    try:
        with ExitStack() as files:
            writers = {}
            for extract, path in parts.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                file = files.enter_context(path.open("w", encoding="utf-8", newline="", buffering=1 << 18))
                writers[extract] = csv.writer(file, lineterminator="\n")
                writers[extract].writerow(COLUMNS[extract])
            yield Landing(writers)
        for extract, path in parts.items():
            path.replace(finished[extract])
    finally:
        for path in parts.values():
            path.unlink(missing_ok=True)
