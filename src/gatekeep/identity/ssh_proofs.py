"""What proves a principal over SSH beside tokens: registered keys, and codes where one has them.

Implements gate.ports.SshProofs. Certificates need nothing kept here; tokens live in `directory`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from typing import Final

from gatekeep.documents import everything, first_with_rest
from gatekeep.errors import SettingsError
from gatekeep.identity.principals import PrincipalEntry
from gatekeep.identity.secrets import SecretReader
from gatekeep.identity.ssh_public_keys import public_key_bytes
from gatekeep.identity.totp import OneTimeCodes, read_totp
from gatekeep.runtime.clock import Clock

_NONE: Final[frozenset[bytes]] = frozenset()


class SshProofBook:
    """Keys and one-time secrets of all principals; `reload` swaps them, or raises and keeps all."""

    def __init__(
        self, entries: Iterable[PrincipalEntry], secrets: SecretReader, clock: Clock
    ) -> None:
        self._secrets = secrets
        self._codes = OneTimeCodes(clock)
        self._keys: Mapping[str, frozenset[bytes]] = {}
        self._fingerprints: Mapping[str, frozenset[str]] = {}
        self.reload(entries)

    def reload(self, entries: Iterable[PrincipalEntry]) -> None:
        """Replace everything. Raises SettingsError for a key or reference that is no use."""
        kept = tuple(entries)
        keys, codes = read_keys(kept), read_totp(kept, self._secrets)
        self._keys = keys
        self._fingerprints = {name: frozenset(map(_fingerprint, held)) for name, held in keys.items()}
        self._codes.reload(codes)

    def check(self, entries: Iterable[PrincipalEntry]) -> None:
        """Whether `reload` would take these. Raises SettingsError as it would; changes nothing."""
        kept = tuple(entries)
        read_keys(kept)
        read_totp(kept, self._secrets)

    def known_key(self, name: str, key: bytes) -> bool:
        """Whether this key, in its wire form, is one of this principal's."""
        return key in self._keys.get(name, _NONE)

    def knows(self, name: str, fingerprint: str) -> bool:
        """Whether a key of this fingerprint (`SHA256:…`) is one of this principal's now."""
        return fingerprint in self._fingerprints.get(name, frozenset())

    def needs_code(self, name: str) -> bool:
        """Whether this principal has a second factor."""
        return self._codes.has(name)

    def accept_code(self, name: str, code: str) -> bool:
        """Whether this is a code of this moment, not used before; it is used up."""
        return self._codes.accept(name, code)


def _fingerprint(key: bytes) -> str:
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def read_keys(entries: Iterable[PrincipalEntry]) -> dict[str, frozenset[bytes]]:
    """The registered keys of each principal. A key names one person, so it is nobody else's.

    Raises SettingsError for the first fault; the others hang at its `also`.
    """
    found: dict[str, frozenset[bytes]] = {}
    persons: dict[bytes, str] = {}
    problems: list[SettingsError] = []
    for entry in entries:
        own: set[bytes] = set()
        for number, line in enumerate(entry.keys):
            place = f"{entry.key}.keys[{number}]"
            try:
                key = public_key_bytes(line, file=entry.file, key=place)
            except SettingsError as error:
                problems.extend(everything(error))
                continue
            if persons.setdefault(key, entry.principal.person) != entry.principal.person:
                problems.append(
                    SettingsError(
                        f"is also a key of {persons[key]}",
                        file=entry.file,
                        key=place,
                        fix="a key belongs to one person; make another",
                    )
                )
            own.add(key)
        found[entry.principal.name] = frozenset(own)
    if problems:
        raise first_with_rest(problems)
    return found
