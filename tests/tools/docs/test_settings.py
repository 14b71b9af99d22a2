"""The page of the settings gives their defaults, and every setting has a description."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from amkpi.core.home import Home
from amkpi.core.settings import all_settings, load_settings
from tools.docs import settings
from tools.docs.settings import default, text, toml_example


def test_the_documented_variables_and_the_example_file_give_the_defaults(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    plain = load_settings(home, {})
    documented = {each.variable: text(default(each)) for each in all_settings()}
    assert load_settings(home, documented) == plain
    home.settings_file.write_text(toml_example())
    assert load_settings(home, {}) == plain
    assert len(documented) == sum(len(table) if isinstance(table, dict) else 1 for table in read_toml().values())


def read_toml() -> dict[str, object]:
    return tomllib.loads(toml_example())


def test_a_setting_without_a_description_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    meanings = settings.variable_meanings()
    del meanings["csat_threshold"]
    monkeypatch.setattr(settings, "variable_meanings", lambda: meanings)
    with pytest.raises(LookupError, match="csat_threshold"):
        settings.page()
