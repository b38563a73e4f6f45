"""Sessions: one principal on one target with one account, from log-in to close."""

from __future__ import annotations

from dataclasses import dataclass

from gatekeep.domain.identity import Principal
from gatekeep.domain.targets import Target

_CODE_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def session_code(session_id: str) -> str:
    """Short, typeable form of a session id: `S-` and eight characters (Crockford base 32)."""
    number = int(session_id[:10], 16)
    digits = [_CODE_ALPHABET[(number >> (5 * place)) & 31] for place in range(7, -1, -1)]
    return "S-" + "".join(digits)


@dataclass(frozen=True, slots=True)
class SessionVector:
    """What decides how the target reads a statement (12-threats C2).

    Values are the target's own words, as `current_setting()` gives them.
    `temp_objects` is true once the session has a temporary schema.
    """

    standard_conforming_strings: str = "on"
    client_encoding: str = "UTF8"
    search_path: str = '"$user", public'
    role: str = "none"
    session_replication_role: str = "origin"
    row_security: str = "on"
    transaction_read_only: str = "off"
    temp_objects: bool = False


@dataclass(frozen=True, slots=True)
class Session:
    """Who is where: fixed for the life of a session.

    `id` is 128 random bits as 32 lower-case hex digits. `read_only` is true when policy lets
    this session only read and the target was opened with `default_transaction_read_only=on`.
    """

    id: str
    principal: Principal
    target: Target
    account: str
    protocol: str
    source: str = ""
    database: str = ""
    application: str = ""
    read_only: bool = False

    @property
    def code(self) -> str:
        """The short form shown to people."""
        return session_code(self.id)
