"""Advice that several expectations share."""

from __future__ import annotations

MODELS_ARE_BROKEN = (
    "Run `amkpi build` again, then `amkpi rebuild`; if it still fails, report it with this line. The models or the"
    " warehouse are broken, not the data; the last good publication stays in place."
)
