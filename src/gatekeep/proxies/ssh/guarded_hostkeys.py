"""Hosts that no forwarded agent signs in to: the gateway, and the targets that it stands before.

A sign-in there would go around the gateway, or through it as somebody else. Told by host keys,
which is all that a host-bound signature says of where it is good for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import asyncssh

from gatekeep.domain.targets import SshWay
from gatekeep.errors import SettingsError
from gatekeep.gate.ports import HostkeyPins, TargetBook
from gatekeep.proxies.ssh.agent_seams import keys_within

UNKNOWN: Final = "unknown host key"
OWN: Final = "own host key"
TARGET: Final = "registered target"
UNREADABLE: Final = "known host keys cannot be read"


class GuardedHostkeys:
    """`own` are the wire forms of the gateway's host key and of the CA that vouches for it."""

    def __init__(self, own: frozenset[bytes], targets: TargetBook, pins: HostkeyPins) -> None:
        self._own = own
        self._targets = targets
        self._pins = pins

    async def objection(self, host_key: bytes) -> str:
        """Why nothing is signed for whoever has this host key; empty where something may be.

        What is known of targets is read anew each time: it changes while sessions are open.
        """
        keys = keys_within(host_key)
        if keys is None:
            return UNKNOWN
        if keys & self._own:
            return OWN
        try:
            held = await asyncio.to_thread(self._of_targets)
        except (OSError, ValueError, SettingsError):
            return UNREADABLE
        return TARGET if keys & held else ""

    def _of_targets(self) -> frozenset[bytes]:
        """Every key, and every CA, by which a target is known."""
        found: set[bytes] = set()
        first_used: list[str] = []
        for target in self._targets.targets():
            if target.ssh is None:
                continue
            found.update(_written(target.ssh))
            if target.ssh.first_use:
                first_used.append(f"{target.host.lower().rstrip('.')}:{target.port}")
        if first_used:
            found |= self._pins.pinned(first_used)
        return frozenset(found)


def _written(way: SshWay) -> Iterator[bytes]:
    for line in (*way.host_keys, *filter(None, (way.host_ca,))):
        yield asyncssh.import_public_key(line).public_data
    if way.known_hosts:
        yield from _in_file(Path(way.known_hosts).read_text("utf-8"))


def _in_file(text: str) -> Iterator[bytes]:
    """All keys of a known_hosts, of whatever host: names there may be hashed, or patterns."""
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        key = words[2 if words[0].startswith("@") else 1 :][:2]
        try:
            yield asyncssh.import_public_key(" ".join(key)).public_data
        except asyncssh.KeyImportError:
            continue  # of a kind that is not spoken here, so that no sign-in is bound to it either
