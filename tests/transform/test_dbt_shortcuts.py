"""What is left out of dbt's work changes nothing that a build or its log shows."""

from __future__ import annotations

import pytest

from amkpi.transform import dbt_runner

# dbt takes seconds to import.
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _with_shortcuts() -> None:
    dbt_runner._import_dbt()


def test_an_event_has_its_message_when_it_is_read_and_not_before() -> None:
    from dbt_common.events.base_types import msg_from_base_event
    from dbt_common.events.types import Note

    event = Note(msg="rows: 7")
    assert "pb_msg" not in event.__dict__
    assert event.msg == "rows: 7"
    assert event.message() == "rows: 7"
    assert msg_from_base_event(event).info.msg == "rows: 7"
    event.msg = "rows: 8"
    assert event.to_dict() == {"msg": "rows: 8"}
    with pytest.raises(AttributeError):
        event.nothing  # noqa: B018 - the access is the test


def test_a_template_is_compiled_once_and_rendered_for_each_model() -> None:
    from dbt_common.clients.jinja import get_environment, get_template

    source = "select {{ column }} from {{ 1 + 1 }} -- seen by this test alone"
    one, other = (get_template(source, {"column": name}).render({"column": name}) for name in ("a", "b"))
    assert (one, other) == (source.replace("{{ column }}", "a").replace("{{ 1 + 1 }}", "2"),
                            source.replace("{{ column }}", "b").replace("{{ 1 + 1 }}", "2"))  # fmt: skip
    assert get_environment().compile(source) is get_environment().compile(source)
    assert get_environment(native=True).compile(source) is not get_environment().compile(source)


def test_the_table_of_a_statement_without_rows_is_empty() -> None:
    from dbt_common.clients import agate_helper

    assert len(agate_helper.empty_table().rows) == 0
    assert agate_helper.empty_table() is agate_helper.empty_table()
