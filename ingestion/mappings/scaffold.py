"""The scaffold of a mapping: a first version, written from the header of a native export, for a person to complete."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence

from amkpi.ingestion.contracts.extracts import Column, Extract
from amkpi.ingestion.mappings.names import native_name

# Characters that JSON leaves as they are, but YAML refuses or treats as the end of a line.
_LINE_BREAKING = re.compile("[\x7f-\x9f\u2028\u2029\ufeff]")
# The names of a column in other systems: English first, then Vietnamese. Only names, since the scaffold sees no values.
# A synonym is used for every extract that has the column.
_SYNONYMS: dict[str, tuple[str, ...]] = {
    "client_id": ("account id", "customer id", "company id", "customer code", "mã khách hàng", "mã kh"),
    "client_name": ("account name", "customer name", "company name", "client", "customer", "tên khách hàng", "tên kh"),
    "industry": ("sector", "ngành", "ngành nghề", "lĩnh vực"),
    "proposal_id": ("opportunity id", "deal id", "quote id", "mã đề xuất", "mã cơ hội", "mã báo giá"),
    "contract_id": ("contract number", "agreement id", "mã hợp đồng", "số hợp đồng", "mã hđ"),
    "project_id": ("project key", "project code", "job number", "pid", "mã dự án"),
    "project_name": ("project", "project title", "tên dự án"),
    "cost_id": ("expense id", "entry id", "mã chi phí"),
    "response_id": ("submission id", "mã phản hồi", "mã trả lời"),
    "review_id": ("mã đánh giá",),
    "owner_id": ("opportunity owner id", "hubspot owner id", "assigned to", "owner", "assignee", "người phụ trách"),
    "account_manager_id": ("account manager", "owner id", "mã quản lý khách hàng", "người phụ trách"),
    "staff_id": ("employee id", "user id", "mã nhân viên", "mã nv"),
    "full_name": ("employee name", "display name", "họ và tên", "họ tên", "tên nhân viên"),
    "email": ("email address", "work email", "thư điện tử"),
    "role": ("job title", "title", "position", "chức danh", "chức vụ", "vai trò"),
    "department": ("team", "phòng ban", "bộ phận"),
    "manager_id": ("supervisor id", "reports to", "mã quản lý", "quản lý trực tiếp"),
    "is_active": ("active", "employed", "đang làm việc"),
    "kind": ("type", "opportunity type", "deal type", "contract type", "loại", "loại hợp đồng", "loại cơ hội"),
    "amount": ("value", "deal amount", "total amount", "price", "giá trị", "số tiền", "thành tiền", "chi phí"),
    "budget_amount": ("budget", "planned budget", "ngân sách", "dự toán"),
    "currency": ("currency code", "currency iso code", "tiền tệ", "loại tiền", "đơn vị tiền tệ"),
    "sent_date": ("created date", "create date", "date sent", "ngày gửi", "ngày tạo"),
    "responded_date": ("response date", "submitted at", "timestamp", "ngày phản hồi", "dấu thời gian"),
    "outcome": ("stage", "stage name", "deal stage", "status", "result", "giai đoạn", "trạng thái", "kết quả"),
    "decided_date": ("close date", "closed date", "decision date", "ngày chốt", "ngày quyết định"),
    "signed_date": ("signature date", "contract date", "ngày ký"),
    "start_date": ("start", "begin date", "ngày bắt đầu"),
    "end_date": ("end", "expiry date", "ngày kết thúc", "ngày hết hạn"),
    "cancelled_date": ("canceled date", "cancellation date", "ngày hủy", "ngày huỷ"),
    "committed_due_date": ("due date", "deadline", "baseline end date", "hạn hoàn thành", "hạn chót", "ngày cam kết"),
    "agreed_due_date": ("revised due date", "new due date", "hạn mới"),
    "delivered_date": ("delivery date", "completed date", "resolved", "actual end date", "ngày bàn giao", "ngày giao"),
    "cost_date": ("expense date", "posting date", "date", "ngày", "ngày chi", "ngày phát sinh"),
    "score": ("rating", "satisfaction", "csat", "điểm", "mức độ hài lòng"),
    "comment": ("feedback", "comments", "góp ý", "nhận xét"),
    "rate_date": ("date", "ngày", "ngày tỷ giá"),
    "rate": ("exchange rate", "fx rate", "tỷ giá"),
    "valid_from": ("effective date", "from date", "hiệu lực từ", "từ ngày"),
    "valid_to": ("to date", "hiệu lực đến", "đến ngày"),
    "updated_at": (
        *("last modified date", "last modified", "modified at", "hs lastmodifieddate", "system modstamp"),
        *("_fivetran_synced", "updated", "ngày cập nhật", "cập nhật lúc"),
    ),
    "is_deleted": ("deleted", "is archived", "đã xóa", "đã xoá"),
}
# Short words that mean this column in an export of exactly such things.
_OF_THE_THING: dict[str, tuple[str, ...]] = {
    "client_name": ("name", "tên"),
    "project_name": ("name", "summary", "tên"),
    "full_name": ("name", "tên"),
}


def scaffold(header: Sequence[str], extract: Extract, file_pattern: str) -> str:
    """The text of a mapping file for a native export with this header.

    Columns are matched by name and by some synonyms. A required column without a match becomes a commented line with
    what to fill in, and the mapping is refused until that is done; an optional column without a match is left out. The
    native columns that are not used are listed at the end.
    """
    found = _matches(header, extract)
    lines = [
        "# Written from the header of a file: check each column, then test it with `amkpi sources check FILE`.",
        f"file: {_quoted(file_pattern)}",
        f"extract: {extract.name}",
        "",
        "columns:",
    ]
    for column in extract.all_columns:
        native = found.get(column.name)
        if native is not None:
            lines += _given(column, native)
        elif column.name in extract.required:
            lines.append(f"  # {column.name}: required; {_fill_in(column)}")
    unused = [name.strip() for name in header if name.strip() and name.strip() not in found.values()]
    if unused:
        lines += ["", "# Not used:", *(f"#   {_quoted(name)}" for name in unused)]
    return "\n".join(lines) + "\n"


def _matches(header: Sequence[str], extract: Extract) -> dict[str, str]:
    """Column of the extract → native column. A native column is used once; a closer kind of match goes first."""
    free: dict[str, str] = {}
    twice = set()
    for title in header:
        name = _plain(title)
        if name in free:
            twice.add(name)
        free.setdefault(name, title.strip())
    # If a column is there twice, a person has to choose.
    for name in (*twice, ""):
        free.pop(name, None)
    found: dict[str, str] = {}
    for names_of in (_own_name, _synonyms, _bare_words):
        for column in extract.all_columns:
            for name in names_of(column, extract):
                if column.name not in found and _plain(name) in free:
                    found[column.name] = free.pop(_plain(name))
    return found


def _own_name(column: Column, extract: Extract) -> tuple[str, ...]:
    return (column.name,)


def _synonyms(column: Column, extract: Extract) -> tuple[str, ...]:
    return _SYNONYMS.get(column.name, ())


def _bare_words(column: Column, extract: Extract) -> tuple[str, ...]:
    of_key = ("id", "key", "record id", "mã") if column.name == extract.key[0] and column.type == "text" else ()
    return (*of_key, *_OF_THE_THING.get(column.name, ()))


def _plain(name: str) -> str:
    """A name as it is compared, without Vietnamese marks: exports often drop them."""
    marks_apart = unicodedata.normalize("NFD", native_name(name))
    return "".join(ch for ch in marks_apart if not unicodedata.combining(ch)).replace("đ", "d")


def _given(column: Column, native: str) -> list[str]:
    name = _quoted(native)
    if column.choices:
        return [
            f"  {column.name}:",
            f"    column: {name}",
            "    # If it has other words than these, map each native value:",
            "    # values:",
            *(f'    #   "the word for {choice} in the export": {choice}' for choice in column.choices),
        ]
    hints = {
        "date": "if it is not yyyy-MM-dd: { column: …, date_format: dd/MM/yyyy }",
        "timestamp": 'if it is not ISO: { column: …, date_format: "dd/MM/yyyy HH:mm:ss" }',
        "number": 'if it is not 1234.5: { column: …, decimal: ",", thousands: "." }',
        "boolean": "if it is not true/false, yes/no or 1/0: { column: …, values: { … } }",
    }
    hint = f"  # {hints[column.type]}" if column.type in hints else ""
    return [f"  {column.name}: {name}{hint}"]


def _fill_in(column: Column) -> str:
    if column.currency:
        return 'the native column, or { constant: "VND" } where all rows have one currency'
    if column.choices:
        return f"the native column with values: …, or a constant of {', '.join(column.choices)}"
    if column.type == "date":
        return "the native column, with date_format: dd/MM/yyyy if it is not yyyy-MM-dd"
    if column.type in ("number", "boolean"):
        return f"the native column, or a constant {column.type}"
    return "the native column, a constant, or sql"


def _quoted(text: str) -> str:
    """The text as a YAML scalar, whatever characters it has."""
    return _LINE_BREAKING.sub(lambda found: f"\\u{ord(found.group()):04x}", json.dumps(text, ensure_ascii=False))
