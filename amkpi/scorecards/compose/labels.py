"""The fixed texts of every scorecard: headings, column titles and the footer, by their names in the templates."""

from __future__ import annotations

from amkpi.scorecards.context import ReaderContext


def labels(context: ReaderContext) -> dict[str, str]:
    """The fixed texts in the reader's language."""
    t, before = context.t, context.period.before().short(context.language)
    return {
        "score": t("Weighted score"),
        "rating": t("Rating"),
        "kpi": t("KPI"),
        "actual": t("Actual"),
        "target": t("Target"),
        "target_of": t("target"),
        "attained": t("Attained"),
        "of_target": t("of target"),
        "against": t("Against {period}", period=before),
        "status": t("Status"),
        "trend": t("Six periods"),
        "person": t("Person"),
        "changed": t("Changed since the last mail"),
        "adjustments": t("Adjustments to closed periods"),
        "register": t("Register of closings"),
        "warnings": t("Data warnings"),
        "score_and_rating": t("Weighted score and rating"),
        "everyone": t("Everybody's scorecard is in the attached PDF."),
        "most_help": t("Those who need attention most; everybody is in the attached PDF."),
        "open_pages": t("See every record"),
        "all_people": t("All people"),
        "most_people": t("People who need attention most: there are more full scorecards than fit here"),
        "more_records": t("There are more records than fit here: `amkpi explain` lists all of them."),
        "definitions": t("What the KPIs mean"),
        "page": t("page"),
        "footer": t("Internal. Do not forward: this mail was made for you alone."),
        "unsubscribe": t("To get no more of these mails, answer with the word unsubscribe."),
        "compared": (
            t("Attained: per cent of target.")
            if context.is_partial
            else t(
                "Better and worse: against {period}; pp: percentage points. Attained: per cent of target.",
                period=before,
            )
        ),
        "publication": t("Publication"),
        "evidence": t("Evidence"),
        "client": t("Client"),
        "client_id": t("Client id"),
        "date": t("Date"),
        "extract": t("Extract"),
        "record": t("Record"),
        "numerator": t("Numerator"),
        "denominator": t("Denominator"),
    }
