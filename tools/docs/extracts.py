"""The page of the eleven extracts, from their declaration and texts."""

from __future__ import annotations

from amkpi.core.catalogue import kpis
from amkpi.core.language.translation import Language, Translation
from amkpi.ingestion.contracts.extracts import COMMON, EXTRACTS, FAMILIES, REASONS, Column, Extract
from amkpi.ingestion.contracts.texts import texts
from tools.docs.markdown import code, codes, table

_TITLE = Translation(en="The eleven extracts", vi="Mười một extract")
_INTRO = Translation(
    en="""\
An extract is a file that another system of the agency exports. Put it into `LANDING/<extract>/` as csv, tsv, txt, json,
ndjson, parquet, xlsx, xlsb, xls or ods, text also as .gz or .zst, or up to 100 such files with the same columns in a
zip; `amkpi sources template <extract>` writes an empty file to fill in. A required column must be in the file, and its
cells must not be empty; an optional column may be missing. A row that breaks a rule goes to quarantine with the reason
code and the column, and the rest of the file is loaded. A new row replaces the row with the same key; the row with the
latest `updated_at` counts. Where a zip has several files, they are read in the order of their names, and the line of a
row begins with the number of its file: 200000015 is line 15 of the second.""",
    vi="""\
Extract là tệp xuất từ một hệ thống khác của agency. Đặt tệp vào `LANDING/<extract>/` ở dạng csv, tsv, txt, json,
ndjson, parquet, xlsx, xlsb, xls hoặc ods, văn bản cũng có thể nén .gz hay .zst, hoặc tối đa 100 tệp như vậy cùng cột
trong một tệp zip; `amkpi sources template <extract>` tạo tệp mẫu để điền. Cột bắt buộc phải có trong tệp và không
được để trống ô nào; cột không bắt buộc có thể thiếu. Dòng vi phạm quy tắc bị giữ lại kèm mã lý do và tên cột, phần
còn lại của tệp vẫn được nạp. Dòng mới thay dòng cũ cùng khóa; dòng có `updated_at` mới nhất được dùng. Nếu zip có
nhiều tệp, chúng được đọc theo thứ tự tên, và số dòng bắt đầu bằng số thứ tự của tệp: 200000015 là dòng 15 của tệp thứ
hai.""",
)
_HEADS = (
    Translation(en="column", vi="cột"),
    Translation(en="type", vi="kiểu"),
    Translation(en="required", vi="bắt buộc"),
    Translation(en="what it is", vi="ý nghĩa"),
    Translation(en="example", vi="ví dụ"),
)
_WORDS = {
    "types": Translation(en="How values are written", vi="Cách ghi giá trị"),
    "type": Translation(en="type", vi="kiểu"),
    "values": Translation(en="values", vi="giá trị"),
    "common": Translation(en="Columns that every extract may have", vi="Cột mà mọi extract đều có thể có"),
    "reasons": Translation(en="Reason codes", vi="Mã lý do"),
    "reasons_intro": Translation(
        en="A row gets the first reason of this table that applies, with the first column, in the order of the extract,"
        " that breaks it. A row with `is_deleted` true needs only its key.",
        vi="Một dòng mang lý do đầu tiên đúng trong bảng này, với cột vi phạm đầu tiên theo thứ tự của extract. Dòng có"
        " `is_deleted` là true chỉ cần đủ khóa.",
    ),
    "reason": Translation(en="reason", vi="lý do"),
    "when": Translation(en="when", vi="khi"),
    "key": Translation(en="Key", vi="Khóa"),
    "rules": Translation(en="a row is quarantined when", vi="dòng bị giữ lại khi"),
    "yes": Translation(en="yes", vi="có"),
    "private_rows": Translation(en="None of its rows is ever published, not even one in quarantine.",
                          vi="Không dòng nào được công bố, kể cả dòng bị giữ lại."),
    "private": Translation(en="Never published", vi="Không bao giờ công bố"),
    "personal": Translation(en="Erased by amkpi forget", vi="Bị xóa khi chạy amkpi forget"),
    "choices": Translation(en="What the choices mean", vi="Ý nghĩa các lựa chọn"),
    "empty": Translation(en="empty", vi="bỏ trống"),
    "not_a": Translation(en="cannot be read", vi="không đọc được"),
    "one_of": Translation(en="is not one of", vi="không thuộc"),
    "currency": Translation(en="is not three capital letters", vi="không phải ba chữ in hoa"),
    "breaks": Translation(en="breaks this rule", vi="không theo đúng"),
    "before": Translation(en="is before", vi="trước"),
    "not_in": Translation(en="is not in", vi="không có trong"),
    "no_rate": Translation(en="has no exchange rate on or before", vi="không có tỷ giá vào hoặc trước"),
    "below": Translation(en="is below", vi="nhỏ hơn"),
    "not_above": Translation(en="is not greater than", vi="không lớn hơn"),
    "fields": Translation(en="more or fewer fields than the header", vi="nhiều hoặc ít ô hơn dòng tiêu đề"),
}  # fmt: skip


def page(language: Language) -> str:
    """The page in that language."""
    names = texts()
    word = {name: words[language] for name, words in _WORDS.items()}
    parts = [f"# {_TITLE[language]}", _INTRO[language]]
    rows = [
        (f"[{code(e.name)}](#{e.name})", names.extracts[e.name].label[language], names.families[f][language],
         codes(e.key))
        for f in FAMILIES
        for e in EXTRACTS.values()
        if e.family == f
    ]  # fmt: skip
    head = ("extract", "", "", word["key"].lower())
    parts.append(table(head, rows))
    parts += [
        f"## {word['types']}",
        table((word["type"], word["values"]), [(t.label[language], t.format[language]) for t in names.types.values()]),
        f"## {word['common']}",
        table([h[language] for h in _HEADS], [_column(None, c, language) for c in COMMON]),
        f"## {word['reasons']}",
        word["reasons_intro"],
        table((word["reason"], word["when"]), [(code(r), names.reasons[r][language]) for r in REASONS]),
    ]
    for extract in EXTRACTS.values():
        parts += _extract(extract, language, word)
    return "\n\n".join(parts) + "\n"


def _extract(extract: Extract, language: Language, word: dict[str, str]) -> list[str]:
    its = texts().extracts[extract.name]
    parts = [
        f"## {extract.name}",
        f"**{its.label[language]}.** {its.note[language]} {word['key']}: {codes(extract.key)}.",
    ]
    if extract.private_rows:
        parts.append(word["private_rows"])
    if extract.private:
        parts.append(f"{word['private']}: {codes(extract.private)}.")
    if extract.personal:
        parts.append(f"{word['personal']}: {codes(column.name for column in extract.personal)}.")
    parts.append(
        table([h[language] for h in _HEADS], [_column(extract, column, language) for column in extract.columns])
    )
    rules = [(code(reason), "\n".join(lines)) for reason, lines in broken_by(extract, language).items() if lines]
    parts.append(table((word["reason"], word["rules"]), rules))
    return parts


def _column(extract: Extract | None, column: Column, language: Language) -> tuple[str, ...]:
    names = texts()
    words = names.column(extract.name if extract else "", column.name)
    named = code(column.name)
    note = words.note[language]
    if column.choices:
        labels = {kpi.name: kpi.label[language] for kpi in kpis()}
        means = {c: names.choices[c][language] if c in names.choices else labels[c] for c in column.choices}
        listed = ", ".join(f"`{c}`" if m == c.replace("_", " ") else f"`{c}` ({m})" for c, m in means.items())
        note = f"{note} {listed}."
    if column.references:
        note = f"{note} → `{column.references}.{EXTRACTS[column.references].key[0]}`"
    return (
        f"**{named}**" if extract and column.name in extract.key else named,
        names.types[column.type].label[language],
        _WORDS["yes"][language] if column.required else "",
        note,
        code(words.example),
    )


def broken_by(extract: Extract, language: Language) -> dict[str, list[str]]:
    """For each reason code, the rules of the declaration that lead to it, in words."""
    word = {name: words[language] for name, words in _WORDS.items()}
    rules = {column: words[language] for column, words in texts().extracts[extract.name].rules.items()}
    found: dict[str, list[str]] = {reason: [] for reason in REASONS}
    found["malformed_row"].append(word["fields"])
    found["missing_required"].append(f"{word['empty']}: {codes(extract.required)}")
    for name, _ in extract.needs:
        found["missing_required"].append(f"{word['empty']}: {code(name)}, {rules[name]}")
    typed = [column.name for column in extract.all_columns if column.type != "text"]
    found["bad_type"].append(f"{word['not_a']}: {codes(typed)}")
    for column in extract.columns:
        name = code(column.name)
        if column.choices:
            found["bad_enum"].append(f"{name} {word['one_of']} {codes(column.choices)}")
        if column.currency:
            found["bad_enum"].append(f"{name} {word['currency']}")
        if column.name in dict(extract.checks_enum):
            found["bad_enum"].append(f"{name} {word['breaks']}: {rules[column.name]}")
        if column.at_least is not None:
            found["out_of_range"].append(f"{name} {word['below']} {column.at_least:g}")
        if column.above is not None:
            found["out_of_range"].append(f"{name} {word['not_above']} {column.above:g}")
        if column.name in dict(extract.checks_range):
            found["out_of_range"].append(f"{name} {rules[column.name]}")
        if column.references:
            target = f"{column.references}.{EXTRACTS[column.references].key[0]}"
            found["unknown_reference"].append(f"{name} {word['not_in']} {code(target)}")
    for later, earlier in extract.date_order:
        found["bad_date_order"].append(f"{code(later)} {word['before']} {code(earlier)}")
    if extract.fx_date:
        where = f", {rules['currency']}" if "currency" in rules else ""
        found["missing_fx_rate"].append(f"`currency` {word['no_rate']} {code(extract.fx_date)}{where}")
    return found
