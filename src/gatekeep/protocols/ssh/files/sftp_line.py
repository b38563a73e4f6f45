"""The line of what waits in a conversation of sftp, and whose turn it is. Order only.

Operations that only look may be on their way together. One that changes something is alone: it
starts when all before it is answered, and nothing starts behind it until it is, because it may
change what names mean, and some targets work on several requests at once.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from gatekeep.protocols.ssh.files.sftp_handles import Held, OpenHandle, Operation

_MOST_LOOKS: Final = 16


class Line:
    """What waits, in the order of arrival, and the operations that are under way, by key.

    An operation is under way until it is refused or answered.
    `held` counts the bytes of what is not decided, `numbers` holds its request ids.
    """

    __slots__ = ("_active", "_waiting", "held", "numbers")

    def __init__(self) -> None:
        self._waiting: deque[Operation | Held] = deque()
        self._active: dict[int, Operation] = {}
        self.held = 0
        self.numbers: set[int] = set()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._active)

    def add(self, item: Operation | Held) -> None:
        """Behind all others."""
        self._waiting.append(item)
        self.numbers.add(item.number)
        self.held += len(item.packet)

    def bars(self, handle: OpenHandle) -> bool:
        """Whether a request by this handle has to wait."""
        return any(operation.bars(handle) for operation in self._active.values()) or any(
            item.handle is handle if isinstance(item, Held) else item.bars(handle)
            for item in self._waiting
        )

    def next(self) -> Operation | Held | None:
        """The first, if its turn has come: a request to send, or an operation that now begins."""
        if not self._waiting:
            return None
        first = self._waiting[0]
        active = self._active.values()
        if isinstance(first, Held):
            if any(operation.bars(first.handle) for operation in active):
                return None
            self.held -= len(first.packet)
            self.numbers.discard(first.number)
        elif first.plan.changes:
            if active:
                return None
            self._active[first.key] = first
        elif len(active) >= _MOST_LOOKS or any(other.plan.changes for other in active):
            return None
        else:
            self._active[first.key] = first
        return self._waiting.popleft()

    def decide(self, key: int) -> Operation:
        """The operation that waits for this decision. Raises ValueError if none does."""
        operation = self._active.get(key)
        if operation is None or not operation.out:
            raise ValueError("a decision on an operation that is not out")
        operation.out = False
        self.numbers.discard(operation.number)
        self.held -= len(operation.packet)
        return operation

    def leave(self, operation: Operation) -> None:
        """It no longer keeps anybody waiting."""
        self._active.pop(operation.key, None)

    def drop(self, item: Operation | Held) -> None:
        """Its turn came, and it was answered without a decision."""
        if isinstance(item, Operation):
            self.leave(item)
            self.numbers.discard(item.number)
            self.held -= len(item.packet)

    def undecided(self, operation: Operation) -> bool:
        """Whether it is under way and not decided yet."""
        return operation.key in self._active and operation.number in self.numbers
