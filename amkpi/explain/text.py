"""What `amkpi explain` says, in Vietnamese and English. What one KPI is called stands in the catalogue."""

from __future__ import annotations

from amkpi.core.language import formatting
from amkpi.core.language.translation import Language, Translation
from amkpi.explain.evidence import Explanation, LeftOut


def _words(en: str, vi: str) -> Translation:
    return Translation(en=en, vi=vi)


TEXT = {
    "company": _words("Company", "Toàn công ty"),
    "team": _words("team of {person}", "nhóm của {person}"),
    "formula": _words("Formula", "Công thức"),
    "numbers": _words("In numbers", "Thay số"),
    "target": _words("Target", "Mục tiêu"),
    "attained": _words("attained {share}", "đạt {share}"),
    "weight": _words("weight {weight}", "trọng số {weight}"),
    "change": _words("Change", "Thay đổi"),
    "from": _words("{change} from {value} in {period}", "{change} so với {value} của {period}"),
    "no_previous": _words("no value in {period} to compare with", "{period} không có giá trị để so sánh"),
    "cannot_compare": _words("{value} in {period}", "{period}: {value}"),
    "interval": _words("Interval", "Khoảng tin cậy"),
    "wilson": _words("{low} to {high} (95%, Wilson)", "{low} đến {high} (95%, Wilson)"),
    "period": _words("Period", "Kỳ"),
    "closed": _words("{first} to {last}, closed", "{first} đến {last}, đã chốt"),
    "provisional": _words(
        "{first} to {last}, provisional: data to {as_of}", "{first} đến {last}, tạm tính: dữ liệu đến hết {as_of}"
    ),
    "publication": _words("publication {id}", "bản công bố {id}"),
    "no_value": _words("no value: {reason}", "chưa có giá trị: {reason}"),
    "from_sample": _words("{value} from {n} {sample}", "{value} từ {n} {sample}"),
    "signed": _words("signed {signed} ({n})", "đã ký {signed} ({n})"),
    "taken_back": _words("taken back {amount} ({n} cancelled)", "bị lấy lại {amount} ({n} bị hủy)"),
    "signing": _words("signed", "ký"),
    "cancellation": _words("cancelled", "hủy"),
    "records": _words("Records that count", "Bản ghi được tính"),
    "no_records": _words("No record counts in this period.", "Không có bản ghi nào được tính trong kỳ."),
    "private": _words(
        "Reviews are counted without naming reviewers or departments.",
        "Đánh giá được tính mà không nêu người đánh giá hay phòng ban.",
    ),
    "more": _words("… {n} more: --format csv has all", "… {n} dòng nữa: --format csv có đủ"),
    "left_out": _words("Left out, and why", "Không được tính và lý do"),
    "none_left_out": _words("Nothing was left out.", "Không có gì bị bỏ ra."),
    "held": _words("Held back now, of any period", "Đang bị giữ lại, mọi kỳ"),
    "none_held": _words(
        "No row of {extracts} is held back.", "Không có dòng nào của {extracts} bị giữ lại."
    ),
    "definition": _words("Definition", "Định nghĩa"),
    "client": _words("client", "khách hàng"),
    "record": _words("record", "bản ghi"),
    "event": _words("event", "sự kiện"),
    "credit": _words("credit", "người phụ trách"),
    "credited": _words("Credit", "Ghi nhận"),
    "under": _words(
        "{rule}; {person} and whoever was under them on that day", "{rule}; {person} và cấp dưới vào ngày đó"
    ),
    "nobody": _words("company alone", "chỉ công ty"),
    "reason": _words("reason", "lý do"),
    "count": _words("n", "n"),
    "which": _words("which", "gồm"),
    "extract": _words("extract", "nguồn"),
    "places": _words("where", "ở đâu"),
}  # fmt: skip

# What the date of a record is.
EVENT_DATE = {
    "client_revenue": _words("date", "ngày"),
    "client_retention_rate": _words("opening", "đầu kỳ"),
    "on_time_delivery_rate": _words("due", "đến hạn"),
    "client_satisfaction": _words("answered", "trả lời"),
    "contract_win_rate": _words("sent", "gửi"),
    "upsell_cross_sell_rate": _words("opening", "đầu kỳ"),
    "cost_to_budget_ratio": _words("delivered", "giao"),
    "internal_collaboration_score": _words("month", "tháng"),
}

_OWNER = _words(
    "the record's owner, else who managed the client on that day",
    "người sở hữu bản ghi, nếu không có thì người quản lý khách hàng ngày đó",
)
_MANAGER = _words("who managed the client on the opening day", "người quản lý khách hàng vào ngày đầu kỳ")
# Who has the credit for a record.
CREDIT = {
    "client_revenue": _words(
        "the contract's owner, else who managed the client at the signing; also for a cancellation",
        "người sở hữu hợp đồng, nếu không có thì người quản lý khách hàng ngày ký; kể cả khi hủy",
    ),
    "client_retention_rate": _MANAGER,
    "on_time_delivery_rate": _OWNER,
    "client_satisfaction": _words(
        "the owner of the survey's project, else who managed the client when it was sent",
        "người sở hữu dự án được khảo sát, nếu không có thì người quản lý khách hàng ngày gửi",
    ),
    "contract_win_rate": _OWNER,
    "upsell_cross_sell_rate": _MANAGER,
    "cost_to_budget_ratio": _OWNER,
    "internal_collaboration_score": _words("the person reviewed", "người được đánh giá"),
}

NO_VALUE = {
    "no_opening_clients": _words("no client at the start of the period", "đầu kỳ không có khách hàng"),
    "nothing_due": _words("no project was due", "không có dự án đến hạn"),
    "no_responses": _words("no survey was answered", "không có khảo sát được trả lời"),
    "no_proposals": _words("no proposal was sent", "không gửi đề xuất nào"),
    "nothing_delivered": _words(
        "no project with budget and costs was delivered", "không giao dự án nào có ngân sách và chi phí"
    ),
    "no_reviews": _words("no review was given", "không có đánh giá"),
    "too_few_raters": _words("too few reviewers to show a value", "quá ít người đánh giá để nêu số"),
    "period_running": _words("shown when the period is over", "được nêu khi kỳ kết thúc"),
}

STATUS = {
    "on_target": _words("✓ on target", "✓ đạt"),
    "at_risk": _words("! at risk", "! theo dõi"),
    "off_target": _words("✗ off target", "✗ chưa đạt"),
    "no_target": _words("no target", "không mục tiêu"),
    "no_data": _words("– no data", "– thiếu dữ liệu"),
}

LEFT_OUT = {
    "kind_not_counted": _words("signed, of a kind that is no revenue won", "đã ký, loại không tính là doanh thu mới"),
    "kind_not_counted_cancelled": _words(
        "cancelled, of a kind that is no revenue won", "bị hủy, loại không tính là doanh thu mới"
    ),
    "cancelled_by_due_date": _words("cancelled on or before the due date", "bị hủy vào hoặc trước hạn"),
    "not_due_yet": _words("not due yet", "chưa đến hạn"),
    "not_answered": _words("sent, not answered", "đã gửi, chưa trả lời"),
    "no_score": _words("answered without a score", "trả lời không có điểm"),
    "superseded": _words("superseded by a newer proposal", "đã được thay bằng đề xuất mới hơn"),
    "cancelled": _words("delivered, then cancelled", "đã giao nhưng bị hủy"),
    "no_budget": _words("delivered without a budget", "giao mà không có ngân sách"),
    "no_costs": _words("delivered without any cost recorded", "giao mà chưa ghi chi phí"),
    "self_review": _words("a review of oneself", "tự đánh giá"),
}


def say(name: str, language: Language, **parts: object) -> str:
    """The text of that name with its parts put in."""
    return TEXT[name][language].format(**parts)


def who(told: Explanation, language: Language) -> str:
    """Whose value it is: a name, a team, the company."""
    scope = told.question.scope
    if scope == "company":
        return say("company", language)
    return say("team", language, person=told.full_name) if scope == "team" else str(told.full_name)


def period_name(told: Explanation, language: Language) -> str:
    """The period's name."""
    period = told.question.period
    return formatting.period(period.grain, period.start, period.end, language)


def sentence(told: Explanation, language: Language) -> str:
    """The answer in one line: `On-time delivery, Trần Thị Lan, September 2026: 81.8% = 9 / 11 projects due`."""
    kpi = told.question.kpi
    return f"{kpi.label[language]}, {who(told, language)}, {period_name(told, language)}: {_answer(told, language)}"


def _answer(told: Explanation, language: Language) -> str:
    kpi, value = told.question.kpi, told.value
    if value.value is None:
        return say("no_value", language, reason=null_reason(told, language))
    shown = formatting.kpi_value(value.value, kpi.unit, told.currency, language)
    n = formatting.number(value.sample_size, 0, language)
    if kpi.denominator is None:
        return say("from_sample", language, value=shown, n=n, sample=kpi.sample[language])
    above, below = _both(told, language)
    if is_of_money(told):
        return f"{shown} = {above} / {below} ({n} {kpi.sample[language]})"
    return f"{shown} = {above} / {below} {kpi.sample[language]}"


def null_reason(told: Explanation, language: Language) -> str:
    """Why there is no value."""
    reason = told.value.null_reason or ""
    return NO_VALUE[reason][language] if reason in NO_VALUE else reason


def is_of_money(told: Explanation) -> bool:
    """Whether numerator and denominator are money, not counts."""
    return told.question.kpi.unit == "money" or told.question.kpi.name == "cost_to_budget_ratio"


def part(amount: float, told: Explanation, language: Language) -> str:
    """A numerator or denominator as a reader writes it."""
    if is_of_money(told):
        return formatting.money(amount, told.currency, language)
    return formatting.number(amount, 0, language)


def brief(amount: float, told: Explanation, language: Language) -> str:
    """Money in a table, whose head says the currency."""
    return part(amount, told, language).removesuffix(f" {told.currency}")


def _both(told: Explanation, language: Language) -> tuple[str, str]:
    above, below = told.value.numerator or 0.0, told.value.denominator or 0.0
    return part(above, told, language), part(below, told, language)


def numbers(told: Explanation, language: Language) -> str:
    """The formula with its numbers put in."""
    kpi, value = told.question.kpi, told.value
    shown = formatting.kpi_value(value.value, kpi.unit, told.currency, language)
    if kpi.denominator is not None:
        above, below = _both(told, language)
        return f"{kpi.numerator[language]} {above} ÷ {kpi.denominator[language]} {below} = {shown}"
    if kpi.unit == "money":
        signed = [record.numerator for record in told.counted if record.samples]
        back = [-record.numerator for record in told.counted if not record.samples]
        text = say("signed", language, signed=part(sum(signed), told, language), n=len(signed))
        if back:
            text += " − " + say("taken_back", language, amount=part(sum(back), told, language), n=len(back))
        return f"{text} = {shown}"
    return _answer(told, language)


def credit(told: Explanation, language: Language) -> str:
    """By which rule a record counts for this person or team."""
    rule = CREDIT[told.question.kpi.name][language]
    return say("under", language, rule=rule, person=told.full_name) if told.question.scope == "team" else rule


def change(told: Explanation, language: Language) -> str:
    """Against the period before."""
    kpi, value = told.question.kpi, told.value
    earlier = told.question.period.before()
    name = formatting.period(earlier.grain, earlier.start, earlier.end, language)
    if value.previous_value is None:
        return say("no_previous", language, period=name)
    before = formatting.kpi_value(value.previous_value, kpi.unit, told.currency, language)
    if value.change is None:
        return say("cannot_compare", language, value=before, period=name)
    moved = formatting.change(value.change, kpi.unit, told.currency, language)
    return say("from", language, change=moved, value=before, period=name)


def why_left_out(reason: str, language: Language) -> str:
    """A reason's words; its code where it has none."""
    return LEFT_OUT[reason][language] if reason in LEFT_OUT else reason


def named(record: LeftOut) -> str:
    """A record that was left out in few words: its key, its client, and what the reason points at."""
    text = record.source_id or ""
    if record.detail:
        text += f" → {record.detail}" if record.reason == "superseded" else f" {record.detail}"
    return f"{text} ({record.client_name})" if record.client_name else text
