"""The JSON schema of a mapping file, for editors that check YAML while it is written."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from amkpi.ingestion.contracts.extracts import EXTRACTS
from amkpi.ingestion.mappings import structure
from amkpi.ingestion.mappings.model import Mapping, keys
from amkpi.ingestion.mappings.rules import ColumnRule

_TEXT = {"type": ["string", "number", "boolean"]}
_TEXTS = {"oneOf": [_TEXT, {"type": "array", "items": _TEXT}]}
# What a key may be that is not a plain text. `validation` decides; this only helps while writing.
_SHAPES: dict[tuple[type[BaseModel], str], dict[str, Any]] = {
    (Mapping, "extract"): {"enum": list(EXTRACTS)},
    (Mapping, "snapshot"): {"type": "boolean"},
    (Mapping, "skip_after_header"): {"type": "integer", "minimum": 0},
    (Mapping, "time_zone"): {"enum": ["local", "as_written"]},
    (Mapping, "header"): {"oneOf": [{"type": "integer"}, {"$ref": "#/$defs/Header"}]},
    (Mapping, "stop_at"): {"oneOf": [{"const": "empty_row"}, {"$ref": "#/$defs/StopAt"}]},
    (Mapping, "unpivot"): {"$ref": "#/$defs/Unpivot"},
    (Mapping, "split"): {"$ref": "#/$defs/Split"},
    (Mapping, "columns"): {
        "type": "object",
        "additionalProperties": {"oneOf": [_TEXT, {"$ref": "#/$defs/ColumnRule"}]},
    },
    **{(Mapping, key): _TEXTS for key in ("file", "fill_down", "where")},
    (structure.Header, "row"): {"type": "integer", "minimum": 1},
    (structure.Header, "height"): {"type": "integer", "minimum": 1, "maximum": 5},
    (structure.Header, "contains"): _TEXTS,
    (structure.StopAt, "empty_row"): {"type": "boolean"},
    (structure.Unpivot, "columns"): {"type": "array", "items": _TEXT},
    (structure.Unpivot, "rows"): {
        "type": "object",
        "additionalProperties": {"type": "object", "additionalProperties": _TEXT},
    },
    (ColumnRule, "values"): {"type": "object", "additionalProperties": _TEXTS},
    (ColumnRule, "lookup"): {"$ref": "#/$defs/Lookup"},
    (ColumnRule, "number"): {"enum": ["vi", "en", "ch", "plain"]},
    (ColumnRule, "id_from"): _TEXTS,
    (ColumnRule, "date_format"): _TEXTS,
    (structure.Lookup, "extract"): {"enum": list(EXTRACTS)},
}
_PARTS: tuple[type[BaseModel], ...] = (
    ColumnRule,
    structure.Header,
    structure.StopAt,
    structure.Unpivot,
    structure.Split,
    structure.Lookup,
)


def schema() -> dict[str, Any]:
    """The schema of a mapping file: its keys with their descriptions, and which are required."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "amkpi source mapping",
        **_of(Mapping),
        "$defs": {part.__name__: _of(part) for part in _PARTS},
    }


def _of(part: type[BaseModel]) -> dict[str, Any]:
    properties = {
        key: {**_SHAPES.get((part, key), _TEXT), "description": part.model_fields[key].description or ""}
        for key in keys(part)
    }
    required = [key for key in properties if part.model_fields[key].is_required()]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
