"""What every group of settings is made of: the marks of a setting, and lists that a variable gives as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic_settings import NoDecode


@dataclass(frozen=True)
class FlatName:
    """The name of a setting outside its group, where it differs from the name in the group."""

    name: str


# Marks a setting on which no row of a publication depends. Every other one is a part of the publication id.
RESULT_NEUTRAL = "result neutral"


def list_from_text(value: Any) -> Any:
    """A list that a variable gives as text separated by commas."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def bands_from_text(value: Any) -> Any:
    """Rating bands that a variable gives as A+:110,A:95."""
    if not isinstance(value, str):
        return value
    return [dict(zip(("rating", "at_least"), part.split(":", 1), strict=False)) for part in value.split(",")]


# A variable or a TOML file cannot hold None.
or_none = BeforeValidator(lambda value: None if value in ("none", "") else value)


Cadence = Literal["week", "month", "quarter", "year"]
TextList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(list_from_text)]


class Group(BaseModel):
    """Some settings that belong together."""

    model_config = ConfigDict(extra="forbid", frozen=True)
