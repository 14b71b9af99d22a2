"""Every mart and column has a text in both languages, which comments in databases take."""

from __future__ import annotations

import yaml

from amkpi.core.language.mart_texts import MODELS, comments, marts


def test_every_declared_column_is_read_with_its_type_although_only_a_part_of_each_file_is_parsed() -> None:
    declared = {
        model["name"]: [(column["name"], column["data_type"]) for column in model["columns"]]
        for path in (MODELS / "marts").rglob("*.yml")
        for model in yaml.safe_load(path.read_text(encoding="utf-8"))["models"]
    }
    assert len(declared) > 20
    assert {mart.name: [(each.name, each.type) for each in mart.columns] for mart in marts().values()} == declared


def test_a_comment_is_the_english_text_and_below_it_the_vietnamese_one() -> None:
    assert comments()["kpi_values", "value"] == (
        "numerator / denominator; ratios as 0–1, money in the reporting currency. NULL without data, never 0.\n"
        "tử số / mẫu số; tỷ lệ là 0–1, tiền theo tiền tệ báo cáo. Không có dữ liệu thì NULL, không bao giờ là 0."
    )


def test_every_mart_and_every_column_has_a_comment_of_two_different_lines() -> None:
    names = {(mart.name, name) for mart in marts().values() for name in (None, *(each.name for each in mart.columns))}
    assert comments().keys() == names
    assert [name for name, text in comments().items() if len(set(text.splitlines())) != 2] == []
