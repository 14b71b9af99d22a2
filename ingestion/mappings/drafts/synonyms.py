"""The names and values that other systems use for the columns of an extract, in English and in Vietnamese."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from amkpi.ingestion.contracts.extracts import Column, Extract
from amkpi.ingestion.mappings.names import folded_cell
from amkpi.ingestion.readers import loose

# The names of a column. A synonym is used for every extract that has the column.
_SYNONYMS: dict[str, tuple[str, ...]] = {
    "client_id": ("account id", "customer id", "company id", "customer code", "mã khách hàng", "mã kh"),
    "client_name": ("account name", "customer name", "company name", "client", "customer", "tên khách hàng", "tên kh"),
    "industry": ("sector", "ngành", "ngành nghề", "lĩnh vực"),
    "proposal_id": ("opportunity id", "deal id", "quote id", "mã đề xuất", "mã cơ hội", "mã báo giá"),
    "contract_id": ("contract number", "agreement id", "mã hợp đồng", "số hợp đồng", "mã hđ"),
    "project_id": ("issue key", "task id", "project key", "project code", "job number", "pid", "mã dự án"),
    "project_name": ("project", "project title", "tên dự án"),
    "cost_id": ("expense id", "entry id", "mã chi phí"),
    "response_id": ("submission id", "mã phản hồi", "mã trả lời"),
    "review_id": ("mã đánh giá",),
    "owner_id": (
        *("opportunity owner id", "hubspot owner id", "assignee email", "owner email", "assigned to", "owner"),
        *("assignee", "người phụ trách", "nhân viên phụ trách"),
    ),
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
    "currency": ("amount currency", "currency code", "currency iso code", "tiền tệ", "loại tiền", "đơn vị tiền tệ"),
    "sent_date": ("created date", "create date", "date sent", "ngày gửi", "ngày tạo"),
    "responded_date": ("response date", "submitted at", "timestamp", "ngày phản hồi", "dấu thời gian"),
    "outcome": ("stage", "stage name", "deal stage", "status", "result", "giai đoạn", "trạng thái", "kết quả"),
    "decided_date": ("close date", "ngày đóng", "closed date", "decision date", "ngày chốt", "ngày quyết định"),
    "signed_date": ("signature date", "contract date", "ngày ký"),
    "start_date": ("start", "begin date", "ngày bắt đầu"),
    "end_date": ("end", "expiry date", "ngày kết thúc", "ngày hết hạn"),
    "cancelled_date": ("canceled date", "cancellation date", "ngày hủy", "ngày huỷ"),
    "committed_due_date": ("due date", "deadline", "baseline end date", "hạn hoàn thành", "hạn chót", "ngày cam kết"),
    "agreed_due_date": ("revised due date", "new due date", "hạn mới"),
    "delivered_date": (
        "completed at",
        "delivery date",
        "completed date",
        "resolved",
        "actual end date",
        "ngày bàn giao",
        "ngày giao",
    ),
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
# Shorter names begin too many others.
_LONG_ENOUGH = 6
# The names of a column that has the name of a client, project or person, not the id.
NAMES_OF: dict[str, tuple[str, ...]] = {
    "clients": (
        *("account name", "customer", "customer name", "company", "company name", "client", "khách hàng", "khách"),
        *("associated company", "associated company ids", "section/column"),
    ),
    "projects": ("project", "project name", "tên dự án", "dự án"),
    "staff": ("owner", "opportunity owner", "deal owner", "assignee", "salesperson", "người phụ trách", "phụ trách"),
}
# The words that mean a value of a column of choices, as `folded_cell`.
_WORDS: dict[str, dict[str, tuple[str, ...]]] = {
    "outcome": {
        "won": ("won", "closed won", "đã ký", "thắng", "thành công", "signed", "accepted", "chốt thành công"),
        "lost": ("lost", "closed lost", "thua", "thất bại", "rejected", "declined", "mất"),
        "withdrawn": ("withdrawn", "cancelled", "canceled", "abandoned", "hủy", "huỷ", "rút", "đã hủy", "đã huỷ"),
        "open": (
            *("open", "new", "mới", "proposal", "negotiation", "qualification", "prospecting", "đang xử lý"),
            *("đang thương lượng", "thương lượng", "đang đàm phán", "đàm phán", "đã gửi báo giá", "chờ phản hồi"),
        ),
    },
    "kind": {
        "new_business": ("new business", "new", "new customer", "newbusiness", "mới", "khách mới", "khách hàng mới"),
        "renewal": ("renewal", "existing customer - replacement", "gia hạn", "tái ký"),
        "upsell": (
            "upsell",
            "up-sell",
            "upgrade",
            "existing customer - upgrade",
            "existingbusiness",
            "mở rộng",
            "bán thêm",
        ),
        "cross_sell": ("cross-sell", "cross sell", "add-on business", "bán chéo"),
    },
    "boolean": {
        "true": ("true", "yes", "1", "có", "đang làm việc", "active", "x"),
        "false": ("false", "no", "0", "không", "nghỉ việc", "đã nghỉ", "inactive"),
    },
    "currency": {"VND": ("đ", "₫", "vnđ", "vnd", "đồng"), "USD": ("us dollar", "us$", "usd")},
}


def matches(header: Sequence[str], extract: Extract) -> dict[str, str]:
    """Column of the extract → native column. A native column is used once; a closer kind of match goes first."""
    free: dict[str, str] = {}
    twice = set()
    for title in header:
        name = plain(title)
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
                if column.name not in found and plain(name) in free:
                    found[column.name] = free.pop(plain(name))
    # Last, a longer name that begins with a known one, such as a question of a survey.
    for column in extract.all_columns:
        starts = tuple(plain(name) for name in _synonyms(column, extract) if len(plain(name)) >= _LONG_ENOUGH)
        longer = next((name for name in free if starts and name.startswith(starts)), None)
        if column.name not in found and longer is not None:
            found[column.name] = free.pop(longer)
    return found


def meaning(column: Column, value: str) -> str | None:
    """The value of the column that a native value means; None if the word is not known."""
    subject = "boolean" if column.type == "boolean" else "currency" if column.currency else column.name
    native = folded_cell(value)
    if native in column.choices:
        return native
    return next((target for target, words in _WORDS.get(subject, {}).items() if native in words), None)


def plain(name: str) -> str:
    """A name as it is compared, without Vietnamese marks: exports often drop them."""
    marks_apart = unicodedata.normalize("NFD", loose(name))
    return "".join(ch for ch in marks_apart if not unicodedata.combining(ch)).replace("đ", "d")


def _own_name(column: Column, extract: Extract) -> tuple[str, ...]:
    return (column.name,)


def _synonyms(column: Column, extract: Extract) -> tuple[str, ...]:
    return _SYNONYMS.get(column.name, ())


def _bare_words(column: Column, extract: Extract) -> tuple[str, ...]:
    of_key = ("id", "key", "record id", "mã") if column.name == extract.key[0] and column.type == "text" else ()
    return (*of_key, *_OF_THE_THING.get(column.name, ()))
