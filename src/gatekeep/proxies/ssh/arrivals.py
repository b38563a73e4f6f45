"""Who has come to the SSH door, and where to: what sessions are opened for."""

from __future__ import annotations

from dataclasses import dataclass

from gatekeep.domain.identity import Principal


@dataclass(frozen=True, slots=True)
class Arrival:
    """A principal that has proven itself, and what its log-in name asked for.

    `target` is empty for one that came to jump on; `account` is empty where none was named.
    `method` says how it was proven (`key`, `certificate`, `token`, with `+code`), `token_id` by
    what. `client` is the client's own version string. `jumped`: this is a connection behind another
    one. `ends_us` is when its certificate ends (microseconds UTC, 0: it has none);
    `forced_command` and `forbidden` are what the certificate demands and leaves out, `authority`
    the fingerprint of the CA that signed it.
    """

    principal: Principal
    target: str
    account: str
    source: str
    method: str
    token_id: str = ""
    client: str = ""
    jumped: bool = False
    ends_us: int = 0
    forced_command: str | None = None
    forbidden: frozenset[str] = frozenset()
    authority: str = ""
