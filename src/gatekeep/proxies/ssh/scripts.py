"""Standard input that is a script: taken whole, so that it can be judged as exactly these bytes.

`ssh target < script`, `ssh target bash -s`. What does not end in time, or is too long, is no script
but a shell somebody types into without a terminal: opaque.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from typing import Final

from gatekeep.domain.commands import EXEC, OPAQUE, SHELL, CommandFacts
from gatekeep.proxies.ssh.ends import ClientEnd
from gatekeep.proxies.ssh.relay import Relay
from gatekeep.proxies.ssh.understanding import CommandReader

LONGEST: Final = 256 * 1024
WAIT_S: Final = 2.0
_SHELLS: Final = frozenset({"bash", "sh", "dash", "ksh"})


class Gathered:
    """What came of a client's input before anything was decided. Listens until a relay takes over."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.ended = False
        self.gone = False
        self.enough = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        """More bytes."""
        self.data += data
        if len(self.data) > LONGEST:
            self.enough.set()

    @property
    def whole(self) -> bool:
        """Whether it is a script: ended, and short enough to be read."""
        return self.ended and len(self.data) <= LONGEST

    @property
    def digest(self) -> str:
        """SHA-256 of what came."""
        return hashlib.sha256(self.data).hexdigest()

    async def facts(
        self, reader: CommandReader, login_shell: str
    ) -> tuple[tuple[CommandFacts, ...], str, str]:
        """What it would do, its text, and that text for the record."""
        if not self.whole:
            return (CommandFacts(SHELL), CommandFacts(OPAQUE, complete=False)), "", ""
        try:
            text = self.data.decode()
        except UnicodeDecodeError:
            return (CommandFacts(OPAQUE, complete=False),), "", ""
        if not text.strip():
            return (CommandFacts(SHELL),), "", ""
        reading = await reader.read(text, EXEC, login_shell, terminal=False, from_input=True)
        return reading.facts, text, reading.redacted

    def hand_over(self, relay: Relay) -> None:
        """The relay has taken its place: it gets what came, in order."""
        if self.data:
            relay.bytes_in += len(self.data)
            relay.from_client(bytes(self.data))
        if self.ended:
            relay.client_eof()


class _Collector:
    def __init__(self, gathered: Gathered) -> None:
        self._gathered = gathered

    def data(self, data: bytes, *, stderr: bool) -> None:  # noqa: ARG002 - a client has no stderr
        self._gathered.data_received(data)

    def eof(self) -> None:
        self._gathered.ended = True
        self._gathered.enough.set()

    def lost(self) -> None:
        self._gathered.gone = True
        self._gathered.enough.set()

    def writable(self, *, writable: bool) -> None:
        """Nothing is written yet."""


async def gather(end: ClientEnd) -> Gathered:
    """The client's input, up to its end, LONGEST bytes or WAIT_S seconds; then reading pauses."""
    gathered = Gathered()
    end.listen(_Collector(gathered))
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(gathered.enough.wait(), WAIT_S)
    end.pause("no listener")
    return gathered


def reads_a_script(facts: tuple[CommandFacts, ...]) -> bool:
    """Whether a command is a shell that takes its standard input for a script."""
    if len(facts) != 1 or facts[0].program not in _SHELLS:
        return False
    words = facts[0].argv[1:]
    return all(word.startswith("-") and "c" not in word for word in words)
