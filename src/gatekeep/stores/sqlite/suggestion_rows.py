"""Suggestions and samples as JSON in rows of `state.db`, and back. No SQL here."""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any, TypeVar, cast

import orjson

from gatekeep.domain.suggestions import Sample, SuggestionLife
from gatekeep.stores.sqlite.approval_rows import dumped

Value = TypeVar("Value")


def life_body(life: SuggestionLife) -> bytes:
    """All of it."""
    return dumped(life)


def life_of(body: bytes, *, settled: bool) -> SuggestionLife:
    """A life from its row; whether its last event is durable has a column of its own."""
    kept = orjson.loads(body)
    return read(SuggestionLife, {**kept, "settled": settled})


def sample_of(body: bytes) -> Sample:
    """A sample from its row."""
    return read(Sample, orjson.loads(body))


def read(kind: type[Value], kept: Any) -> Value:
    """A value of this type from plain JSON. What the row lacks has its default, what it has beside is dropped."""
    return cast("Value", _read(kind, kept))


def _read(kind: Any, kept: Any) -> Any:
    if is_dataclass(kind):
        return _dataclass(kind, kept)
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in {types.UnionType, typing.Union}:
        return None if kept is None else _read(inner[0], kept)
    if origin is tuple:
        return tuple(_read(inner[0], one) for one in kept)
    if origin is not None and issubclass(origin, Mapping):
        return dict(kept)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return kind(kept)
    return float(kept) if kind is float else kept


def _dataclass(kind: Any, kept: Mapping[str, Any]) -> Any:
    hints = _hints(kind)
    names = [one.name for one in fields(kind) if one.name in kept]
    return kind(**{name: _read(hints[name], kept[name]) for name in names})


@lru_cache(maxsize=64)
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)
