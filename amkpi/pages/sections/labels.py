"""The fixed texts of the pages, by their names in the templates."""

from __future__ import annotations

from amkpi.pages.sections.context import PageContext


def labels(context: PageContext) -> dict[str, str]:
    """The fixed texts in the language of the page."""
    t = context.t
    return {
        "brand": t("KPI"),
        "skip": t("To the content"),
        "menu": t("Parts"),
        "language": t("Language"),
        "trail": t("You are here"),
        "period": t("Period"),
        "kind_of_period": t("Kind of period"),
        "all_periods": t("Other periods"),
        "before": t("Before"),
        "after": t("After"),
        "score": t("Weighted score"),
        "kpis": t("KPIs"),
        "attained": t("of target"),
        "filter": t("Filter the rows"),
        "rows_shown": t("rows shown"),
        "download": t("These records as CSV"),
        "commands": t("For the command line"),
        "others": t("Your other scorecards"),
        "warnings": t("Data warnings"),
        "no_target": t("No target"),
        "about": t("How this figure comes about"),
        "chart_note": t("Hollow: the period is not over."),
    }
