"""The layers of the package, from the lowest to the highest. A layer imports itself and the layers before it.

`tests/test_architecture.py` checks every import against this list, and prints the graph.
"""

from __future__ import annotations

LAYERS: dict[str, str] = {
    "core": "errors, HOME and its lock, settings, the KPI catalogue, the warehouse, SQL quoting, formatting, gettext",
    "ingestion": "extracts: readers, mappings, row checks, the load into `raw`",
    "transform": "dbt: the runner and the manifest cache",
    "expectations": "the audit by Great Expectations: checks of the input and of the marts",
    "publishing": "publications, closed periods and their adjustments, backup and restore",
    "access": "who sees what: the one place that pages, mails and exports ask",
    "exports": "the publication for other tools: PostgreSQL with the rights of each reader, and Parquet",
    "explain": "`amkpi explain`: a value with the records, exclusions and target behind it",
    "scorecards": "mails and PDFs for leadership: their content, their recipients, and what was sent",
    "pages": "the pages of one publication, as each reader may see them",
    "group": "the group's view: the publications of many agencies, added up from their records",
    "alerts": "incidents, and the mails about them to the operator",
    "pipeline": "the steps that commands and DAG tasks share",
    "sample_agency": "the sample agency: a realistic history, written as extracts",
    "interfaces": "the command line, the web server of the pages, the MCP server, the Airflow glue, the demo",
}
