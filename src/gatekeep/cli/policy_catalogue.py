"""The catalogue that `policy explain` and `policy test` prove statements against.

`clean` is an untouched database of the grammar's version, `none` proves nothing, anything else
is a JSON file that holds the fields of a CatalogueView. Reading a live target needs the gateway.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gatekeep.documents import read_text
from gatekeep.domain.catalogue import CatalogueView, RelationFacts
from gatekeep.errors import SettingsError

_CLEAN = "gatekeep.protocols.sql.clean"


def catalogue_named(name: str) -> CatalogueView | None:
    """The catalogue of that name. Raises SettingsError when there is none."""
    if name == "none":
        return None
    if name == "clean":
        return _clean()
    if name == "live":
        raise SettingsError(
            "live catalogues are not read here yet", key="--catalogue",
            fix="use clean, none, or a file",
        )  # fmt: skip
    return _from_file(Path(name))


def _clean() -> CatalogueView | None:
    """An untouched database; None (nothing is proven) while the SQL room does not offer one."""
    try:
        room = importlib.import_module(_CLEAN)
    except ModuleNotFoundError as error:
        if error.name != _CLEAN:
            raise
        return None
    view: CatalogueView = room.clean_catalogue()
    return view


def _from_file(file: Path) -> CatalogueView:
    try:
        raw = json.loads(read_text(file))
        relations = {
            str(name): RelationFacts(**_frozen(RelationFacts, {"name": name, **told}))
            for name, told in raw.pop("relations", {}).items()
        }
        values = {"epoch": str(file), "server_version": 0, "system_identifier": "", **raw}
        return CatalogueView(**_frozen(CatalogueView, values), relations=relations)
    except (ValueError, TypeError, AttributeError) as error:
        raise SettingsError(
            f"is not a catalogue: {error}", file=str(file),
            fix="a JSON object with the fields of CatalogueView",
        ) from error  # fmt: skip


def _frozen(kind: type[Any], raw: Mapping[str, Any]) -> dict[str, Any]:
    """JSON's lists as the frozen kinds that the fields of `kind` hold."""
    types = {one.name: str(one.type) for one in dataclasses.fields(kind)}
    return {key: _one_frozen(types.get(key, ""), value) for key, value in raw.items()}


def _one_frozen(declared: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): frozenset(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return tuple(value) if declared.startswith("tuple") else frozenset(value)
    return value
