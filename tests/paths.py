"""Folders that tests read."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# A small agency with its answers by the rules of the specification.
EXAMPLE = ROOT / "tests" / "fixtures" / "example"
# Real exports, which are not part of the project; tests that read them skip when the folder is absent.
REAL_EXPORTS = ROOT.parent / "shared" / "real"
# Small files in the shapes of real exports, which are not part of the project either.
EXPORT_SHAPES = ROOT.parent / "shared" / "cases" / "exports"
