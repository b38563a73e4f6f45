"""Bytes both ways between the two ends of one channel, counted, with back-pressure end to end.

The plain way: what one end says goes to the other unchanged. Ways that look inside (`shell`,
`files`) extend it. What may be opened at all was decided before.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Final

from gatekeep.domain.outcomes import Outcome, OutcomeKind
from gatekeep.proxies.ssh.ends import End

_LINGER_S: Final = 3.0
_STATUS_S: Final = 0.5


class Relay:
    """One channel and its twin. `run()` returns when both are closed."""

    def __init__(self, client: End, target: End) -> None:
        self.client = client
        self.target = target
        self.bytes_in = 0
        self.bytes_out = 0
        self.client_gone = False
        self._target_lost = asyncio.Event()
        self._one_lost = asyncio.Event()

    async def run(self) -> None:
        """Relay until it is over."""
        self.begin()
        self.target.listen(_FromTarget(self))
        self.client.listen(_FromClient(self))
        try:
            await self._one_lost.wait()
            if not self._target_lost.is_set():
                # The client is gone: what it ran is told so, and may still say how it ended.
                self.client_gone = True
                self.target.close()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._target_lost.wait(), _LINGER_S)
            await self.finish()
        finally:
            self.target.abort()

    def lost(self, *, target: bool) -> None:
        """One of the two channels is gone."""
        if target:
            self._target_lost.set()
        self._one_lost.set()

    # what other ways look into

    def begin(self) -> None:
        """Before the first byte."""

    def from_client(self, data: bytes) -> None:
        """Bytes of the client; by default all of them go on."""
        self.target.write(data)

    def client_eof(self) -> None:
        """The client sends no more."""
        self.target.write_eof()

    def from_target(self, data: bytes, *, stderr: bool) -> None:
        """Bytes of the target; by default all of them go on."""
        self.client.write(data, stderr=stderr)

    def target_eof(self) -> None:
        """The target sends no more."""
        self.client.write_eof()

    async def finish(self) -> None:
        """Both directions have ended; the client's channel is still open if it is not gone."""

    def client_writable(self, *, writable: bool) -> None:
        """Whether the client takes more bytes; the target waits until it does."""
        pause = self.target.resume if writable else self.target.pause
        pause("client is slow")

    def target_writable(self, *, writable: bool) -> None:
        """Whether the target takes more bytes; the client waits until it does."""
        pause = self.client.resume if writable else self.client.pause
        pause("target is slow")

    # the end

    def outcome(self) -> Outcome:
        """What became of it, for the record."""
        return outcome_of(
            getattr(self.target, "exit_status", None),
            getattr(self.target, "exit_signal", None),
            Counted(self.bytes_in, self.bytes_out),
            client_gone=self.client_gone,
        )


class CommandRelay(Relay):
    """A session channel: something runs at the other end, and ends with a status.

    The end of its output is told together with how it ended, or a little later: a client whose own
    input has ended closes the channel at once, and would never hear the status that comes behind.
    """

    _held: asyncio.TimerHandle | None = None

    def target_eof(self) -> None:
        """Wait a moment for the status."""
        self._held = asyncio.get_running_loop().call_later(_STATUS_S, self.client.write_eof)

    async def finish(self) -> None:
        """Whoever ends the channel tells the end of the output first."""
        if self._held is not None:
            self._held.cancel()


@dataclass(frozen=True, slots=True)
class Counted:
    """Bytes towards and from the target."""

    bytes_in: int
    bytes_out: int


def outcome_of(
    status: int | None,
    signal: tuple[str, bool, str, str] | None,
    counted: Counted,
    *,
    client_gone: bool,
) -> Outcome:
    """An exit as an outcome; no exit at all is cancelled where the client left, else unknown."""
    if status is not None:
        kind, tag = (OutcomeKind.DONE if status == 0 else OutcomeKind.FAILED), f"exit {status}"
    elif signal is not None:
        kind, tag = OutcomeKind.FAILED, f"signal {signal[0]}"
    elif client_gone:
        kind, tag = OutcomeKind.CANCELLED, ""
    else:
        kind, tag = OutcomeKind.UNKNOWN, ""
    return Outcome(kind, tag, bytes_in=counted.bytes_in, bytes_out=counted.bytes_out)


class _FromClient:
    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def data(self, data: bytes, *, stderr: bool) -> None:  # noqa: ARG002 - a client has no stderr
        self._relay.bytes_in += len(data)
        self._relay.from_client(data)

    def eof(self) -> None:
        self._relay.client_eof()

    def lost(self) -> None:
        self._relay.lost(target=False)

    def writable(self, *, writable: bool) -> None:
        self._relay.client_writable(writable=writable)


class _FromTarget:
    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def data(self, data: bytes, *, stderr: bool) -> None:
        self._relay.bytes_out += len(data)
        self._relay.from_target(data, stderr=stderr)

    def eof(self) -> None:
        self._relay.target_eof()

    def lost(self) -> None:
        self._relay.lost(target=True)

    def writable(self, *, writable: bool) -> None:
        self._relay.target_writable(writable=writable)
