"""The page of the marts, from the .yml of each model."""

from __future__ import annotations

from amkpi.core.language.mart_texts import marts
from tools.docs.markdown import code, table

# In the order of the page.
QUESTIONS: dict[str, tuple[str, ...]] = {
    "kpi_values": (
        "What is the on-time rate of this team this quarter, out of how many projects?",
        "Is it final, or will it still change? How certain is it, with so few records?",
        "Why is there no value?",
    ),
    "kpi_evidence": (
        "Which nine projects are behind the 82%?",
        "Which contracts make up this client's revenue?",
        "How late was each project? Is the proposal lost or still open? In which line of which file is it?",
    ),
    "scorecards": ("Who has which score and rating?", "How much of the weight could be scored?"),
    "scorecard_lines": (
        "Who is below target, in which KPI, by how much, and since when?",
        "Which target was in force?",
        "Is it better than the period before?",
    ),
    "supporting_measures": ("How late were the late projects?", "What share of the surveys was answered?",
                            "Which delivered projects have no budget or no costs, and so do not count?"),
    "dim_staff": ("Who is who, in which role, and who reports to whom?",),
    "dim_client": ("Who manages which client now? Is it active?",),
    "dim_kpi": ("What is this KPI called, in which unit is it, and is higher or lower better?",
                "How is it computed, and what do sample_size, numerator and denominator count?"),
    "dim_period": ("Which periods are there, and which of them are over?",),
    "dim_date": ("Which days, weeks and weekends does a period have?",),
    "client_overview": (
        "Which clients are at risk: a contract that ends, projects that are late, a poor answer?",
        "What runs for this client, and what is offered to it?",
    ),
    "project_overview": ("How late was each project, and what did it cost against its budget?", "What is overdue?"),
    "contract_overview": ("Which contracts does the client have, and which have to be renewed?",),
    "proposal_overview": ("Which proposals are open, since when, and for how much?",),
    "survey_overview": ("What did the client answer, to which project, and what was not answered?",),
    "load_ledger": ("What happened to my file? When was it loaded, and how many of its rows count?",),
    "quarantined_rows": ("Which rows are in quarantine, why, and in which column?",
                         "Which keys still show older figures?"),
    "quality_results": ("What did the audit expect, and what did it find?",),
    "scorecards_sent": ("What was mailed to whom, when, and from which publication?", "What did the mail contain?"),
    "closings": ("What is closed, by whom, when, and as of which date? What was reopened, and why?",),
    "adjustments": (
        "What was learned of a closed period since, to the last figure, and why?",
        "Which closing took it up? What is still open?",
    ),
    "adjustment_evidence": ("Which contracts, projects, answers or proposals are behind an adjustment?",),
    "adjusted_scores": ("Whose closed score or rating would be another today, and why?",),
    "restatements": ("Which mailed values are different now, from what to what, and why?",),
    "publication": ("Which publication is this: for which date, published when, by which version?",),
}  # fmt: skip
_INTRO = """\
These tables are in the schema `marts` of the published file. Their names and columns are public and have a dbt
contract; a change to them needs a new version. Ids, names and codes are text, dates are DATE, moments TIMESTAMPTZ,
values DOUBLE, counts BIGINT, flags BOOLEAN. A ratio is 0–1, not per cent. [analysts.md](analysts.md) says how to open
the file and has queries that work. [kpis.md](kpis.md) defines the KPIs and measures. [lineage.md](lineage.md) shows
what each table is built from."""


def page() -> str:
    """The page. Raises LookupError for a mart without questions, or questions without a mart."""
    declared = marts()
    different = sorted(declared.keys() ^ QUESTIONS.keys())
    if different:
        raise LookupError(f"marts and their questions differ: {', '.join(different)} (tools/docs/marts.py)")
    parts = ["# The marts", _INTRO]
    for name, questions in QUESTIONS.items():
        mart = declared[name]
        rows = [(code(column.name), column.type.upper(), column.text) for column in mart.columns]
        parts += [
            f"## {name}",
            mart.text,
            "\n".join(f"- {question}" for question in questions),
            table(("column", "type", "what it is"), rows),
        ]
    return "\n\n".join(parts) + "\n"
