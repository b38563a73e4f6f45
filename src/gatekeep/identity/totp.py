"""One-time codes as a second factor (RFC 6238: SHA-1, six digits, 30 s). Each code counts once.

Knows no wire; who may try, and how often, is asked of the lock-outs by the doors.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import struct
from collections.abc import Iterable, Mapping
from typing import Final

from gatekeep.documents import everything, first_with_rest
from gatekeep.errors import SettingsError
from gatekeep.identity.principals import PrincipalEntry
from gatekeep.identity.secrets import SecretReader
from gatekeep.runtime.clock import Clock

STEP_S: Final = 30
DIGITS: Final = 6
DRIFT_STEPS: Final = 1
"""A code counts one step early and one late: clocks of phones differ, and typing takes time."""

MIN_SECRET_BYTES: Final = 10
"""RFC 4226 demands 16; 80 bits are what many authenticators still make."""

_US: Final = 1_000_000
_FIX: Final = "write the secret in base32, as authenticator apps show it (16 letters or more)"


def code_at(secret: bytes, step: int) -> str:
    """The code of one 30 s step (RFC 4226 section 5.3)."""
    digest = hmac.digest(secret, struct.pack(">Q", step), "sha1")
    offset = digest[-1] & 15
    number = struct.unpack_from(">I", digest, offset)[0] & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}d}"


def decoded_secret(text: str) -> bytes | None:
    """The bytes of a base32 secret, blanks, hyphens and case aside; None if it is none or short."""
    bare = text.replace(" ", "").replace("-", "").rstrip("=").upper()
    try:
        secret = base64.b32decode(bare + "=" * (-len(bare) % 8))
    except (binascii.Error, ValueError):
        return None
    return secret if len(secret) >= MIN_SECRET_BYTES else None


def read_totp(entries: Iterable[PrincipalEntry], secrets: SecretReader) -> dict[str, bytes]:
    """The secret of each principal that has one.

    Raises SettingsError for the first that cannot be read or is none; the others hang at `also`.
    """
    found: dict[str, bytes] = {}
    problems: list[SettingsError] = []
    for entry in entries:
        if not entry.totp:
            continue
        key = f"{entry.key}.totp"
        try:
            secret = decoded_secret(secrets.read(entry.totp, file=entry.file, key=key))
        except SettingsError as error:
            problems.extend(everything(error))
            continue
        if secret is None:
            problems.append(
                SettingsError("is no one-time secret", file=entry.file, key=key, fix=_FIX)
            )
        else:
            found[entry.principal.name] = secret
    if problems:
        raise first_with_rest(problems)
    return found


class OneTimeCodes:
    """Checks codes, and remembers the last step that each principal used: none counts twice.

    The memory is the process's: a code that was used right before a restart counts once more
    until its time is over. `reload` keeps what was used.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._secrets: Mapping[str, bytes] = {}
        self._used: dict[str, int] = {}

    def reload(self, secrets: Mapping[str, bytes]) -> None:
        """The secrets that count from now on."""
        self._secrets = dict(secrets)
        self._used = {name: step for name, step in self._used.items() if name in secrets}

    def has(self, principal: str) -> bool:
        """Whether this principal must give a code."""
        return principal in self._secrets

    def accept(self, principal: str, code: str) -> bool:
        """Whether this is a code of this moment that was not used before; uses it."""
        secret = self._secrets.get(principal)
        given = code.replace(" ", "")
        if secret is None or len(given) != DIGITS or not (given.isascii() and given.isdigit()):
            return False
        now = self._clock.wall_us() // _US // STEP_S
        matching = [
            step
            for step in range(max(now - DRIFT_STEPS, 0), now + DRIFT_STEPS + 1)
            if hmac.compare_digest(code_at(secret, step), given)
        ]
        fresh = [step for step in matching if step > self._used.get(principal, -1)]
        if not fresh:
            return False
        # the latest step is remembered, so that an earlier code that was seen counts no more
        self._used[principal] = fresh[-1]
        return True
