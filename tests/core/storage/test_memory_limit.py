"""A step that needs more memory than DuckDB may use names the setting; files and the warehouse stay as they were."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import duckdb
import pytest

from amkpi.core.errors import AmkpiError
from amkpi.core.settings import load_settings
from amkpi.core.storage.warehouse import connect, out_of_memory
from amkpi.pipeline import steps
from amkpi.transform import dbt_runner
from amkpi.transform.dbt_variables import profile_variables
from tests.conftest import Agency
from tests.oracle.agencies import random_agency


def limited(agency: Agency, limit: str) -> None:
    settings = load_settings(agency.home, {"AMKPI_SETTLE_SECONDS": "0", "AMKPI_MEMORY_LIMIT": limit})
    agency.run = replace(agency.run, settings=settings)


@pytest.mark.slow
def test_each_step_names_the_setting_when_it_needs_more_memory(
    make_agency: Callable[..., Agency], monkeypatch: pytest.MonkeyPatch
) -> None:
    agency = make_agency()
    files = random_agency(7, as_of=agency.run.as_of, size="tiny")[0]
    agency.deliver(files)
    limited(agency, "6MB")
    remedy = r"DuckDB needs more memory than [16][GM]B: raise the setting memory_limit \(AMKPI_MEMORY_LIMIT\)"
    with pytest.raises(AmkpiError, match=remedy):
        steps.load(agency.run)
    limited(agency, "1GB")
    assert len(steps.load(agency.run).deliveries) == len(files)
    limited(agency, "6MB")
    with pytest.raises(AmkpiError, match=remedy), connect(agency.home, agency.run.settings) as connection:
        connection.execute("create temp table rows as select range as n, n::varchar as text from range(10000000)")
    limited(agency, "1GB")
    with monkeypatch.context() as patch:
        # The limit of the models alone: the row checks before them may need as much.
        patch.setattr(
            dbt_runner, "profile_variables", lambda *given: profile_variables(*given) | {"memory_limit": "6MB"}
        )
        with pytest.raises(AmkpiError, match=rf"the model \w+ could not be built: {remedy}"):
            steps.build(agency.run)
    agency.build()


def test_other_errors_keep_their_message(make_agency: Callable[..., Agency]) -> None:
    settings = make_agency().run.settings
    with pytest.raises(duckdb.ConversionException) as raised:
        duckdb.execute("select 'a'::integer")
    assert out_of_memory(str(raised.value), settings) is None
