"""The right to forward one action. Only `gate/clearance.py` makes any (an architecture test proves it)."""

from __future__ import annotations

from typing import Final, final

from gatekeep.domain.events import Receipt
from gatekeep.gate.ports import PendingReceipt
from gatekeep.messages import WireMessage


@final
class Permit:
    """Leave to forward one action whose event is durable.

    `receipt` proves the event; it cannot be made without the journal's fsync.
    `vector_safe` is false when the session vector is unknown once the action has run.
    """

    __slots__ = ("receipt", "vector_safe")

    def __init__(self, receipt: Receipt, *, vector_safe: bool) -> None:
        self.receipt: Final = receipt
        self.vector_safe: Final = vector_safe

    @property
    def n(self) -> int:
        """The index of its event."""
        return self.receipt.n


@final
class EarlyPermit:
    """Leave to forward one proven read while its event is on the way to the disk (12-threats M3).

    Whoever forwards it lets nothing that the target says pass on until `pending` is durable: then
    nothing was seen, and nothing changed, without an event.
    """

    __slots__ = ("pending",)

    def __init__(self, pending: PendingReceipt) -> None:
        self.pending: Final = pending

    @property
    def n(self) -> int:
        """The index of its event."""
        return self.pending.n

    @property
    def vector_safe(self) -> bool:
        """What only reads leaves the session vector as it is."""
        return True


@final
class Refusal:
    """An action that is not forwarded, and the words the client gets.

    `message` is None when the target's own error is to reach the client: in a failed
    transaction whose session vector is unknown (12-threats C2).
    """

    __slots__ = ("message",)

    def __init__(self, message: WireMessage | None) -> None:
        self.message: Final = message


@final
class CommandRefusal:
    """An action over SSH that is not forwarded: the lines that the client gets, and the cause."""

    __slots__ = ("cause", "lines")

    def __init__(self, lines: tuple[str, ...], cause: str) -> None:
        self.lines: Final = lines
        self.cause: Final = cause
