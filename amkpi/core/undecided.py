"""Whether records without an outcome can still bring a KPI to its target."""

from __future__ import annotations


def is_still_open(
    status: str, numerator: float | None, denominator: float | None, undecided: int, target: float | None
) -> bool:
    """Whether an off-target value would reach its target if every undecided record of its denominator succeeded.

    Attainment is rounded to 9 decimals, as for the status of a line.
    """
    if status != "off_target" or not undecided or numerator is None or not denominator or not target:
        return False
    return round((numerator + undecided) / denominator / target, 9) >= 1


def shown_status(
    status: str, numerator: float | None, denominator: float | None, undecided: int, target: float | None
) -> str:
    """The status that readers see: `still_open` instead of off_target where it is not decided yet."""
    return "still_open" if is_still_open(status, numerator, denominator, undecided, target) else status
