"""Facts for `policy explain` and `policy test`, and the catalogue they are proven against.

`clean` is an untouched database of the grammar's version, `none` proves nothing, `live` is read
from the target as a session would be, anything else is a JSON file with a CatalogueView's fields.
"""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import asyncpg

from gatekeep.catalogue.reader import read_catalogue
from gatekeep.documents import read_text
from gatekeep.domain.actions import SqlFacts
from gatekeep.domain.catalogue import CatalogueView, RelationFacts
from gatekeep.domain.sessions import Session, SessionVector
from gatekeep.errors import SettingsError, TargetFault
from gatekeep.protocols.sql.guard import SMALL
from gatekeep.protocols.sql.reading import read_statements
from gatekeep.proxies.postgres.lookup import LookUps
from gatekeep.proxies.postgres.target import TargetConnector
from gatekeep.runtime.clock import random_bytes
from gatekeep.runtime.offload import Offload

_CLEAN = "gatekeep.protocols.sql.clean"


def catalogue_named(name: str) -> CatalogueView | None:
    """The catalogue of that name, for all but `live`. Raises SettingsError when there is none."""
    if name == "none":
        return None
    if name == "clean":
        return _clean()
    return _from_file(Path(name))


def live_catalogue(session: Session, secret_of: Callable[[str], str]) -> CatalogueView:
    """The catalogue of the session's target, read now with the session's own account.

    Signs in as strictly as a session does. Raises SettingsError when it cannot be read.
    """
    try:
        return asyncio.run(_read_live(session, secret_of))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TargetFault) as error:
        raise SettingsError(
            f"the catalogue of {session.target.name} cannot be read: {type(error).__name__}",
            key="--catalogue", fix="see that the target answers, or use clean",
        ) from error  # fmt: skip


def facts_against(
    text: str, view: CatalogueView | None, trusted: frozenset[str]
) -> tuple[SqlFacts, ...]:
    """The facts of a text; long ones are parsed on a thread with a large stack."""

    def read() -> tuple[SqlFacts, ...]:
        return read_statements(text, catalogue=view, vector=SessionVector(), trusted_code=trusted)

    if len(text) <= SMALL:
        return read()
    offload = Offload()
    try:
        return asyncio.run(offload.run(read))
    finally:
        offload.close()


async def _read_live(session: Session, secret_of: Callable[[str], str]) -> CatalogueView:
    offload = Offload()
    look_ups = LookUps(TargetConnector(random_bytes, offload), secret_of)
    try:
        connection = await look_ups.connect(session)
        try:
            return await read_catalogue(connection)
        finally:
            connection.terminate()
    finally:
        await look_ups.close()
        offload.close()


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
