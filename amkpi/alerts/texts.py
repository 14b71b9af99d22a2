"""What an alarm says, in Vietnamese and English. `{about}`: which one of its kind; the rest is told by the alarm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from amkpi.core.catalogue import Language

# Each names a page below docs/operations/runbooks/.
Slug = Literal["task-failed", "publication-blocked", "nightly-late", "family-stale", "mails-uncertain", "landing-stuck"]


@dataclass(frozen=True)
class Said:
    """A kind of alarm in one language: its subject, and what readers see while it lasts."""

    subject: str
    readers: str


WORDS: dict[Slug, dict[Language, Said]] = {
    "task-failed": {
        "vi": Said("Tác vụ thất bại: {about}", "Người đọc vẫn thấy bản công bố tốt gần nhất."),
        "en": Said("Task failed: {about}", "Readers keep the last good publication."),
    },
    "publication-blocked": {
        "vi": Said(
            "Công bố bị chặn",
            "Người đọc vẫn thấy bản công bố tốt gần nhất; phiếu điểm chưa gửi cho ai cho đến khi có bản mới hơn.",
        ),
        "en": Said(
            "Publication blocked",
            "Readers keep the last good publication; nobody is sent a scorecard until there is a newer one.",
        ),
    },
    "nightly-late": {
        "vi": Said(
            "Bản công bố hằng đêm bị trễ",
            "Người đọc vẫn thấy bản công bố cũ; phiếu điểm đến hạn từ đó chờ bản mới hơn.",
        ),
        "en": Said(
            "The night's publication is late",
            "Readers keep the older publication; scorecards that fell due since wait for a newer one.",
        ),
    },
    "family-stale": {
        "vi": Said(
            "Không có dữ liệu mới: {about}",
            "Bản công bố vẫn ra hằng đêm, nhưng các KPI của nhóm dữ liệu này đứng yên từ ngày đó.",
        ),
        "en": Said(
            "No new data: {about}",
            "Publications go on every night, but the KPIs of this family stand still since that day.",
        ),
    },
    "mails-uncertain": {
        "vi": Said(
            "Phiếu điểm chưa chắc đã đến: {about}",
            "Những người có tên trên có thể đã nhận hoặc chưa nhận phiếu điểm; hệ thống không tự gửi lại.",
        ),
        "en": Said(
            "Scorecards that may not have arrived: {about}",
            "Those named may have their scorecard, or not; nothing is sent again by itself.",
        ),
    },
    "landing-stuck": {
        "vi": Said("Tệp nằm lại trong LANDING", "Bản công bố chưa có dữ liệu của các tệp này."),
        "en": Said("Files stay in LANDING", "Publications lack what is in these files."),
    },
}

LABELS: dict[Language, dict[str, str]] = {
    "vi": {
        "what": "Chuyện gì",
        "since": "Từ lúc",
        "until": "Đến lúc",
        "readers": "Người đọc thấy gì",
        "publication": "Bản công bố hiện tại",
        "none": "chưa có",
        "as_of": "số liệu đến {as_of}, công bố lúc {at}",
        "todo": "Cần làm",
        "over": "Đã hết: {subject}",
        "contract": "hợp đồng",
        "project": "dự án",
        "survey": "khảo sát",
        "reference": "danh mục",
    },
    "en": {
        "what": "What happened",
        "since": "Since",
        "until": "Until",
        "readers": "What readers see",
        "publication": "Current publication",
        "none": "none yet",
        "as_of": "as of {as_of}, published {at}",
        "todo": "What to do",
        "over": "Over: {subject}",
        "contract": "contract",
        "project": "project",
        "survey": "survey",
        "reference": "reference",
    },
}

FACTS: dict[Language, dict[str, str]] = {
    "vi": {
        "blocked": "đợt kiểm tra {at} chặn công bố: xem audits/{page}",
        "late": "đến {hour} giờ ngày {day} vẫn chưa có bản công bố với số liệu đến {expected}",
        "stale": "dòng dữ liệu gần nhất đến ngày {day}, {days} ngày trước (cho phép {allowed})",
        "uncertain": "mất kết nối trước khi máy chủ trả lời: {who}",
        "stuck": "{count} tệp chờ lâu hơn {minutes} phút: {names}",
        "killed": "tác vụ dừng mà không báo gì: bị hủy, hết bộ nhớ, hoặc container của nó bị dừng",
        "unreadable": "không xem được LANDING: {why}",
    },
    "en": {
        "blocked": "the audit of {at} blocks publication: see audits/{page}",
        "late": "at {hour}:00 on {day} there was no publication as of {expected} yet",
        "stale": "the last rows came on {day}, {days} days ago ({allowed} allowed)",
        "uncertain": "the connection broke before the server's answer: {who}",
        "stuck": "{count} files have waited for more than {minutes} minutes: {names}",
        "killed": "the task ended without a word: killed, out of memory, or its container was stopped",
        "unreadable": "LANDING cannot be looked at: {why}",
    },
}
