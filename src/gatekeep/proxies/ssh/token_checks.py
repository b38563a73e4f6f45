"""Access tokens as SSH passwords: checked off the loop, a few at once, alike for every name."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from typing import Final

from gatekeep.gate.ports import ScramSecrets
from gatekeep.runtime.offload import Offload

_COMPARED: Final = 8
_NOBODYS: Final = bytes(32)


class TokenChecks:
    """Checks tokens off the loop: at most `at_once`, the others wait in line."""

    def __init__(self, offload: Offload, *, at_once: int = 2) -> None:
        self._offload = offload
        self._slots = asyncio.Semaphore(at_once)

    async def matching(self, secrets: ScramSecrets, password: str) -> str | None:
        """The id of the token that this is. As much is done for names that have none."""
        async with self._slots:
            return await self._offload.run(lambda: matching_token(secrets, password))


def matching_token(secrets: ScramSecrets, password: str) -> str | None:
    """The id of the token that `password` is (StoredKey of RFC 5802); never ends early."""
    given = password.encode("utf-8", "surrogatepass")
    salted = hashlib.pbkdf2_hmac("sha256", given, secrets.salt, secrets.iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored = hashlib.sha256(client_key).digest()
    held = [(one.stored_key, one.token_id) for one in secrets.verifiers]
    held += [(_NOBODYS, "")] * (_COMPARED - len(held))
    found = [token_id for key, token_id in held if hmac.compare_digest(key, stored)]
    return next((token_id for token_id in found if token_id), None)
