"""The metrics of the KPIs for MetricFlow: the yml of the semantic layer, its page, and its definitions as JSON.

All three are made from the KPI catalogue. A KPI is a metric if its records have dates of their own and may be seen: its
value is then a sum, or a quotient of two sums. The other figures cannot be said so, and are read from the marts.
"""

from __future__ import annotations

import json
from typing import Any

from amkpi.core.catalogue import Kpi, kpis
from tools.docs.markdown import code, table

# What a record can be grouped and filtered by: columns of the mart kpi_evidence.
_CATEGORIES = ("kpi", "period_grain", "state", "kind", "staff_id", "client_id", "team_path")
_SUMS = {"numerator": "What the records add to the numerator.", "denominator": "What they add to the denominator."}
# Each record is in the evidence of fifteen periods; its months are counted once.
_ONCE = "{{ Dimension('record__period_grain') }} = 'month' and {{ Dimension('record__kpi') }} = "
NOT_METRICS = (
    ("KPIs of opening clients", "they count clients on the day before a period, and each period has another such day"),
    ("internal collaboration", "no single review may be seen; a value is a mean of the means of departments"),
    ("targets, attainment, scores, ratings", "they go by the days that count, and by who has which target"),
    ("trailing years", "a period of them ends each month; filter by dates instead"),
)


def with_metrics() -> tuple[Kpi, ...]:
    """The KPIs that are metrics."""
    return tuple(kpi for kpi in kpis() if kpi.timing == "event" and kpi.has_records)


def definitions() -> dict[str, Any]:
    """Semantic models and metrics as dbt reads them."""
    evidence: dict[str, Any] = {
        "name": "kpi_records",
        "description": "The records behind the values of the KPIs, each in the month of its event date.",
        "model": "ref('kpi_evidence')",
        "defaults": {"agg_time_dimension": "event_date"},
        "primary_entity": "record",
        "entities": [
            {"name": "person", "type": "foreign", "expr": "staff_id"},
            {"name": "client", "type": "foreign", "expr": "client_id"},
        ],
        "dimensions": [
            {"name": "event_date", "type": "time", "type_params": {"time_granularity": "day"}},
            *({"name": name, "type": "categorical"} for name in _CATEGORIES),
        ],
        # Exact decimals: a sum of doubles depends on their order.
        "measures": [
            {"name": name, "description": text, "agg": "sum", "expr": f"cast({name} as decimal(38, 12))"}
            for name, text in _SUMS.items()
        ],
    }
    of_names = [
        _names("people", "ref('dim_staff')", "person", "staff_id", ("full_name", "role", "department")),
        _names("clients", "ref('dim_client')", "client", "client_id", ("client_name", "industry")),
    ]
    return {
        "version": 2,
        "semantic_models": [evidence, *of_names],
        "metrics": [metric for kpi in with_metrics() for metric in _metrics(kpi)],
    }


def yml() -> str:
    """The yml of the semantic layer. JSON is yml, and every value is quoted as it has to be."""
    return json.dumps(definitions(), indent=2, ensure_ascii=False) + "\n"


def as_json() -> str:
    """The definitions of the metrics, with what people read of the KPIs."""
    found = definitions()
    texts = {kpi.name: kpi for kpi in with_metrics()}
    for metric in found["metrics"]:
        if metric["name"] in texts:
            kpi = texts[metric["name"]]
            metric["kpi"] = {
                "number": kpi.number, "unit": kpi.unit, "better": kpi.better,
                **{name: getattr(kpi, name).model_dump() for name in ("label", "question", "formula")},
            }  # fmt: skip
    found["served_from_the_marts"] = [{"what": what, "why": why} for what, why in NOT_METRICS]
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def page() -> str:
    """The page of the metrics."""
    rows = [
        (code(kpi.name), kpi.label.en, kpi.formula.en, f"{kpi.unit}, {kpi.better} is better") for kpi in with_metrics()
    ]
    return "\n\n".join(
        [
            "# Metrics for MetricFlow",
            _INTRO,
            table(("metric", "KPI", "formula", "unit"), rows),
            _HOW,
            "## What is no metric",
            "These are in the marts alone. MetricFlow could only say something that resembles them.",
            table(("what", "why"), list(NOT_METRICS)),
        ]
    ) + "\n"  # fmt: skip


_INTRO = """\
The KPIs that are sums, or quotients of sums, of records with a date of their own are also metrics of dbt's semantic
layer: `dbt_project/semantic/kpi_metrics.yml`. [metrics.json](metrics.json) has the same definitions with the texts of
the KPIs. A test asks MetricFlow for each of them by month, quarter and year, for the company, each person and each
team, and compares all values with `kpi_values`: counts are equal to the last bit, money within a relative 1e-12,
because the records of the published file have money as doubles. A metric adds up the records of months. So a quarter
differs from the marts where one of its months was closed by `amkpi close` and has changed since."""
_HOW = """\
A ratio also has the metrics `<name>_numerator` and `<name>_denominator`. Records can be grouped and filtered by
`record__staff_id`, `record__client_id`, `record__state`, `record__kind`, `person__full_name`, `person__role`,
`person__department`, `client__client_name` and `client__industry`. A team is a filter: the records of its manager,
and of everybody who had the manager in `team_path` on the day of the record. A month without records has no row.

MetricFlow is no part of this project. It installs next to the locked dbt, in an environment of its own, and reads a
copy of the published file:

```console
$ uv venv metrics
$ uv pip install --python metrics/bin/python dbt-metricflow==0.15.0 "dbt-core<1.12" "dbt-duckdb<1.12"
$ cp $AMKPI_HOME/published/current.duckdb kpi.duckdb && chmod u+w kpi.duckdb
$ export AMKPI_WAREHOUSE=$PWD/kpi.duckdb PATH=$PWD/metrics/bin:$PATH
$ cd dbt_project && dbt parse --profiles-dir .
$ mf query --metrics on_time_delivery_rate --group-by metric_time__quarter
$ mf query --metrics contract_win_rate --group-by metric_time__year,client__client_name
```"""


def _names(name: str, model: str, entity: str, key: str, columns: tuple[str, ...]) -> dict[str, Any]:
    return {
        "name": name,
        "model": model,
        "entities": [{"name": entity, "type": "primary", "expr": key}],
        "dimensions": [{"name": column, "type": "categorical"} for column in columns],
    }


def _metrics(kpi: Kpi) -> list[dict[str, Any]]:
    """The metric of a KPI; before it those of its parts, if it is a quotient."""
    about = {"label": kpi.label.en, "description": f"{kpi.question.en} {kpi.formula.en}."}
    if not kpi.is_ratio:
        return [_sum(kpi, kpi.name, "numerator", **about)]
    parts = {part: f"{kpi.name}_{part}" for part in _SUMS}
    texts = {"numerator": kpi.numerator.en, "denominator": kpi.denominator.en if kpi.denominator else ""}
    return [
        *(_sum(kpi, name, part, label=texts[part], description=f"{texts[part]}.") for part, name in parts.items()),
        {"name": kpi.name, **about, "type": "ratio", "type_params": parts},
    ]


def _sum(kpi: Kpi, name: str, measure: str, **about: str) -> dict[str, Any]:
    return {
        "name": name,
        **about,
        "type": "simple",
        "type_params": {"measure": {"name": measure, "filter": f"{_ONCE}'{kpi.name}'"}},
    }
