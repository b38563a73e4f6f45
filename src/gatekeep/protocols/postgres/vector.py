"""Reading the session vector back from the target, inside the client's own session.

Builds the probe and reads its one row. When to ask is `conversation`'s.
"""

from __future__ import annotations

import json
from typing import Final

from gatekeep.domain.sessions import SessionVector
from gatekeep.errors import TargetFault
from gatekeep.protocols.postgres import grammar as g
from gatekeep.protocols.postgres import messages
from gatekeep.protocols.postgres.turns import Segment

SETTINGS: Final = (
    "standard_conforming_strings", "client_encoding", "search_path", "role",
    "session_replication_role", "row_security", "transaction_read_only",
)  # fmt: skip
REPORTED: Final = ("standard_conforming_strings", "client_encoding", "search_path")
"""Settings of the vector that a target may report by itself (search_path since 18)."""

_MAX_NAMES: Final = 500
_WITH_SYNC: Final = (g.PARSE, g.BIND, g.EXECUTE, g.CLOSE, g.CLOSE, g.SYNC)
# Every name is qualified and no operator is used: search_path may be anybody's by now. Nor is the
# limit a number, which a function would have to cast that the role need not be allowed. The last
# column names statements made by SQL PREPARE, which may hide behind a name that we know.
_QUERY: Final = (
    "SELECT "  # noqa: S608 - all of it is constants of this file
    + ", ".join(f"pg_catalog.current_setting('{name}')" for name in SETTINGS)
    + ", pg_catalog.pg_my_temp_schema()"
    + ", (SELECT pg_catalog.json_agg(s.name) FROM (SELECT p.name FROM"
    + f" pg_catalog.pg_prepared_statements AS p WHERE p.from_sql LIMIT '{_MAX_NAMES}') AS s)"
)


def probe(nonce: str, *, sync: bool = True) -> Segment:
    """The segment that asks; its statement and portal are named `gk_<nonce>` and closed again.

    Without `sync` it ends in a Flush and can stand inside a pipeline (see `cutting`). In a
    REPEATABLE READ transaction that has not read yet it takes the snapshot.
    """
    name = f"gk_{nonce}"
    raw = b"".join(
        (
            messages.parse(name, _QUERY), messages.bind(name, name), messages.execute(name),
            messages.close("P", name), messages.close("S", name),
            messages.SYNC if sync else messages.FLUSH,
        )
    )  # fmt: skip
    segment = Segment((), "probe", raw, _WITH_SYNC if sync else _WITH_SYNC[:-1])
    segment.owners = (None,) * len(segment.codes)
    return segment


def read_row(body: bytes) -> tuple[SessionVector, list[str] | None]:
    """The vector, and names of SQL-prepared statements (None: too many to tell).

    Raises TargetFault for anything but the row that was asked for.
    """
    try:
        *settings, temp_schema, names = _columns(body)
        given = {name: str(value) for name, value in zip(SETTINGS, settings, strict=True)}
        temporary = int(temp_schema or "") != 0
        prepared = [str(name) for name in json.loads(names)] if names else []
    except (ValueError, IndexError, TypeError):
        raise TargetFault("the session vector: an answer of the wrong shape") from None
    if None in settings:
        raise TargetFault("the session vector: a setting without a value")
    return SessionVector(**given, temp_objects=temporary), (
        prepared if len(prepared) < _MAX_NAMES else None
    )


def _columns(body: bytes) -> list[str | None]:
    values: list[str | None] = []
    at = 2
    for _ in range(int.from_bytes(body[:2], "big")):
        if at >= len(body):
            raise ValueError  # more columns than there are bytes: do not count them
        length = int.from_bytes(body[at : at + 4], "big", signed=True)
        at += 4
        if length < 0:
            values.append(None)
            continue
        values.append(body[at : at + length].decode("utf-8", "surrogateescape"))
        at += length
    if at != len(body):
        raise ValueError
    return values


def differs(vector: SessionVector, name: str, value: str) -> bool:
    """Whether a reported setting contradicts the vector."""
    return name in REPORTED and getattr(vector, name) != value
