"""The generated ymls of the dbt sources have what the extracts and the marts declare."""

from __future__ import annotations

import yaml

from amkpi.core.language.mart_texts import marts
from amkpi.ingestion.contracts.extracts import EXTRACTS
from tools.docs.sources import SHOWN, of_extracts, of_marts


def test_every_extract_is_a_table_with_its_columns_and_where_a_row_came_from() -> None:
    (valid,) = yaml.safe_load(of_extracts())["sources"]
    tables = {table["name"]: [column["name"] for column in table["columns"]] for table in valid["tables"]}
    assert tables == {
        name: [*(column.name for column in extract.columns), "_updated_at", "_delivery", "_line"]
        for name, extract in EXTRACTS.items()
    }


def test_a_table_that_a_mart_shows_has_the_texts_of_the_mart() -> None:
    sources = {source["name"]: source["tables"] for source in yaml.safe_load(of_marts())["sources"]}
    assert set(sources) == set(SHOWN)
    for name, tables in sources.items():
        for table in tables:
            shown = {column.name: column.text for column in marts()[SHOWN[name][table["name"]]].columns}
            assert {column["name"]: column["description"] for column in table["columns"]} == shown
