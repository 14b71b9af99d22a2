"""KPIs and periods as people write them: `client_revenue`, `3`, `on time`; `2026-09`, `t12m:2026-09`."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from amkpi.core.catalogue import Kpi, kpis
from amkpi.core.errors import AmkpiError
from amkpi.core.language.names import unmarked
from amkpi.core.language.periods import Period

TRAILING = "t12m:"


def find_kpi(text: str) -> Kpi:
    """The KPI with that number, or the one that a part of a name means. Raises AmkpiError.

    A name, then the beginning of a name, then a part of a name, then a part of a Vietnamese or English label, with or
    without its marks: the first of these that fits anything decides.
    """
    wanted = text.strip().casefold().replace("-", "_")
    words = _words(text)
    ways: tuple[Callable[[Kpi], bool], ...] = (
        lambda kpi: wanted in (str(kpi.number), kpi.name),
        lambda kpi: kpi.name.startswith(wanted),
        lambda kpi: wanted in kpi.name,
        lambda kpi: any(words in _words(label) for label in (kpi.label.vi, kpi.label.en)),
    )
    for way in ways if wanted else ():
        found = [kpi for kpi in kpis() if way(kpi)]
        if len(found) == 1:
            return found[0]
        if found:
            candidates = ", ".join(kpi.name for kpi in found)
            raise AmkpiError(f"{text!r} fits {len(found)} KPIs: name one of {candidates}")
    names = [kpi.name for kpi in kpis()]
    near = difflib.get_close_matches(wanted, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"use 1 to {len(names)} or one of {', '.join(names)}"
    raise AmkpiError(f"no KPI {text!r}: {hint}")


def _words(text: str) -> str:
    """The words of a name or label, without marks and signs between them."""
    return " ".join(unmarked(text).translate(str.maketrans("_-/", "   ")).split())


def find_period(text: str) -> Period:
    """The period named by `2026-09`, `2026-Q3`, `2026` or `t12m:2026-09`. Raises AmkpiError."""
    if text.startswith(TRAILING):
        grain = "trailing_12m"
    elif "-" in text:
        grain = "quarter" if "-Q" in text.upper() else "month"
    else:
        grain = "year"
    try:
        return Period.parse(grain, text if grain == "trailing_12m" else text.upper())
    except AmkpiError as error:
        raise AmkpiError(f"{text!r} is not a period: write it as 2026-09, 2026-Q3, 2026 or t12m:2026-09") from error


def period_key(period: Period) -> str:
    """The name of a period on the command line."""
    return f"{TRAILING}{period.key}" if period.grain == "trailing_12m" else period.key
