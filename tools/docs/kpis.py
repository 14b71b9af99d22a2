"""The page of the KPIs, from the `meta` of the KPI models and of the supporting measures."""

from __future__ import annotations

from collections.abc import Mapping

from amkpi.core.catalogue import Aggregation, Kpi, kpis, measures
from amkpi.core.language.translation import Language, Translation
from amkpi.core.language.translator import Translator
from amkpi.explain.text import CREDIT
from tools.docs.markdown import code, codes, table

AGGREGATIONS: Mapping[Aggregation, Translation] = {
    "sum": Translation(en="sum of the records", vi="tổng các bản ghi"),
    "ratio_of_counts": Translation(
        en="ratio of counts, with its 95% Wilson interval", vi="tỷ lệ giữa hai số đếm, kèm khoảng Wilson 95%"
    ),
    "ratio_of_amounts": Translation(en="ratio of amounts", vi="tỷ lệ giữa hai khoản tiền"),
    "mean_of_groups": Translation(
        en="mean of the groups' means. Private: no single record is shown, and no value while the period runs (two"
        " looks a day apart would show one new review) or with fewer than `min_raters` reviewers",
        vi="trung bình của trung bình các nhóm. Riêng tư: không bản ghi riêng lẻ nào được nêu, và không có giá trị khi"
        " kỳ chưa kết thúc (so hai lần xem cách nhau một ngày sẽ lộ một đánh giá mới) hay khi ít người đánh giá hơn"
        " `min_raters`",
    ),
}
UNITS = {
    "money": Translation(en="money, in the reporting currency", vi="tiền, theo đồng tiền báo cáo"),
    "ratio": Translation(en="ratio, 0–1 in the marts (0.82 is 82%)", vi="tỷ lệ, trong bảng ghi 0–1 (0.82 là 82%)"),
    "score": Translation(en="score, 0–100", vi="điểm, 0–100"),
}
MEASURE_UNITS = {
    "money": Translation(en="money", vi="tiền"),
    "ratio": Translation(en="ratio", vi="tỷ lệ"),
    "score": Translation(en="score", vi="điểm"),
    "count": Translation(en="count", vi="số lượng"),
    "days": Translation(en="days", vi="ngày"),
}
BETTER = {
    "higher": Translation(en="higher", vi="càng cao càng tốt"),
    "lower": Translation(en="lower", vi="càng thấp càng tốt"),
}
TARGET_GROWTH = {
    "sum_of_days": Translation(
        en="sum over the days that count: target ÷ days of the whole period where the row is for the period's own"
        " grain, else ÷ days of the month",
        vi="tổng theo các ngày được tính: mục tiêu ÷ số ngày của cả kỳ nếu dòng mục tiêu dành riêng cho loại kỳ đó,"
        " nếu không thì ÷ số ngày của tháng",
    ),
    "mean_of_days": Translation(
        en="mean over the days that count and have a target", vi="trung bình theo các ngày được tính có mục tiêu"
    ),
}
_TITLE = Translation(en="The KPIs", vi="Các KPI")
_INTRO = Translation(
    en="""\
Each KPI is defined in one place, `dbt_project/models/kpis/kpi_<name>.sql`. `value = numerator / denominator`, unless
the table says that there is no denominator. A value without data is NULL with a reason, never 0. The value of a team,
of the company or of a longer period is the formula applied to all its records, never an average of averages.""",
    vi="""\
Mỗi KPI được định nghĩa ở đúng một nơi, `dbt_project/models/kpis/kpi_<tên>.sql`. Giá trị = tử số / mẫu số, trừ khi bảng
ghi là không có mẫu số. Không có dữ liệu thì giá trị là NULL kèm lý do, không bao giờ là 0. Giá trị của đội, của công ty
hay của kỳ dài hơn là công thức áp dụng lên chính các bản ghi, không bao giờ là trung bình của các trung bình.""",
)
_HEADS = {
    "question": Translation(en="question", vi="câu hỏi"),
    "formula": Translation(en="formula", vi="công thức"),
    "numerator": Translation(en="numerator", vi="tử số"),
    "denominator": Translation(en="denominator", vi="mẫu số"),
    "aggregation": Translation(en="aggregation", vi="cách tổng hợp"),
    "event_date": Translation(en="date of a record", vi="ngày của bản ghi"),
    "credit": Translation(en="credit", vi="ghi nhận cho"),
    "unit": Translation(en="unit", vi="đơn vị"),
    "better": Translation(en="better", vi="chiều tốt"),
    "target": Translation(en="target of a period", vi="mục tiêu của kỳ"),
    "null": Translation(en="NULL when", vi="NULL khi"),
    "states": Translation(en="states of a record", vi="trạng thái của bản ghi"),
    "sample": Translation(en="sample size counts", vi="cỡ mẫu đếm"),
    "reads": Translation(en="reads the extracts", vi="đọc các extract"),
    "owner": Translation(en="owner of the definition", vi="người phụ trách định nghĩa"),
    "since": Translation(en="defined so since", vi="định nghĩa từ phiên bản"),
}
_MEASURES_TITLE = Translation(en="Supporting measures", vi="Chỉ số bổ trợ")
_MEASURES_INTRO = Translation(
    en="Shown with the KPIs but never scored: table `supporting_measures`.",
    vi="Đi kèm các KPI, không bao giờ chấm điểm: bảng `supporting_measures`.",
)
_MEASURES_HEAD = (
    Translation(en="measure", vi="chỉ số"),
    Translation(en="label", vi="tên"),
    Translation(en="unit", vi="đơn vị"),
    Translation(en="what it is", vi="là gì"),
)
_NONE = Translation(en="none: the value is the numerator", vi="không có: giá trị là tử số")
_PRIVATE = Translation(en="none: nobody may see a record", vi="không có: không ai được xem từng bản ghi")
_NEVER = Translation(en="never: without a record it is 0", vi="không bao giờ: chưa có bản ghi nào thì là 0")


def page(language: Language) -> str:
    """The catalogue in that language. Raises KeyError for a unit without a text."""
    parts = [f"# {_TITLE[language]}", _INTRO[language]]
    for kpi in kpis():
        parts += [f"## {kpi.number}. {kpi.label[language]} (`{kpi.name}`)", _kpi(kpi, language)]
    rows = [
        (
            code(each.name),
            each.label[language],
            MEASURE_UNITS[each.unit][language],
            each.definition[language],
        )
        for each in measures()
    ]
    head = [each[language] for each in _MEASURES_HEAD]
    parts += [f"## {_MEASURES_TITLE[language]}", _MEASURES_INTRO[language], table(head, rows)]
    return "\n\n".join(parts) + "\n"


def questions() -> str:
    """The table of the README: what each KPI answers, and how."""
    rows = [(kpi.label["en"], kpi.question["en"], kpi.formula["en"]) for kpi in kpis()]
    return table(("KPI", "the question it answers", "value"), rows)


def _kpi(kpi: Kpi, language: Language) -> str:
    cells = {
        "question": kpi.question[language],
        "formula": kpi.formula[language],
        "numerator": kpi.numerator[language],
        "denominator": kpi.denominator[language] if kpi.denominator else _NONE[language],
        "aggregation": AGGREGATIONS[kpi.aggregation][language],
        "event_date": kpi.event_date[language],
        "credit": Translator(language).t(CREDIT[kpi.credit_rule]),
        "unit": UNITS[kpi.unit][language],
        "better": BETTER[kpi.better][language],
        "target": TARGET_GROWTH[kpi.target_growth][language],
        "null": "\n".join(f"{text[language]}: `{reason}`" for reason, text in kpi.null_reasons.items())
        or _NEVER[language],
        "states": "\n".join(f"{text[language]}: `{state}`" for state, text in kpi.states.items()) or _PRIVATE[language],
        "sample": kpi.sample[language],
        "reads": codes(kpi.reads),
        "owner": kpi.owner[language],
        "since": kpi.since,
    }
    return table(("", ""), [(f"**{_HEADS[name][language]}**", cell) for name, cell in cells.items()])
