"""What is kept of a conversation of sftp: open handles, requests on their way, operations that wait.

Counts and states only; which packet goes where is `sftp`'s.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final, Literal, TypeAlias

from gatekeep.domain.outcomes import Outcome, OutcomeKind
from gatekeep.protocols.ssh.files.file_content import Content
from gatekeep.protocols.ssh.files.sftp_actions import Plan
from gatekeep.protocols.ssh.files.sftp_names import Name, Probe, shown
from gatekeep.protocols.ssh.files.sftp_packets import STATUS_WORDS

Part: TypeAlias = Literal["operation", "probe", "read", "write", "close", "readdir", "handle", "home"]

#: Bytes of answers to READs that came before their turn, kept for the hash; of one conversation.
_MOST_EARLY: Final = 8 * 1024 * 1024


class Asked:
    """One request that the target has not answered.

    `answers` is the type of a success, 0 for a STATUS. `early` is what a READ brought before an
    earlier one of its handle was answered.
    """

    __slots__ = (
        "answers", "early", "handle", "length", "offset", "operation", "packet", "part", "probe",
    )  # fmt: skip

    def __init__(self, part: Part, answers: int, handle: OpenHandle | None = None) -> None:
        self.part: Final = part
        self.answers: Final = answers
        self.handle = handle
        self.operation: Operation | None = None
        self.probe: tuple[Name, Probe] | None = None
        self.offset = 0
        self.length = 0
        self.packet = b""
        self.early: memoryview | None = None


class Early:
    """How much is kept of answers that came before their turn."""

    __slots__ = ("bytes",)

    def __init__(self) -> None:
        self.bytes = 0


class OpenHandle:
    """A file or directory that was opened by a released operation, `key`.

    `use` says what for: `r`, `w`, `a` (append), `d`. `owed` counts requests that are not answered.
    It is `gone` once its CLOSE went out: what waits must not be sent by its name any more, which
    may be another file's by then; `closed` is what came of that. `copied` counts what was copied
    into it on the target, `truncated` is the size that it was set to last.
    """

    __slots__ = (
        "_early", "_order", "closed", "copied", "dropped", "entries", "failed", "gone", "key", "lexical",
        "names", "owed", "read", "truncated", "use", "written",
    )  # fmt: skip

    def __init__(self, operation: Operation, early: Early) -> None:
        self.key: Final = operation.key
        self.names: Final = operation.plan.names
        self.lexical: Final = operation.lexical
        self.use: Final = operation.plan.handle
        self.read = Content()
        self.written = Content(appends="a" in self.use)
        self.entries = 0
        self.dropped = 0
        self.failed = 0
        self.copied = 0
        self.gone = False
        self.truncated: int | None = None
        self.owed = 0
        self.closed: Outcome | None = None
        self._order: deque[Asked] = deque()
        self._early = early

    @property
    def reads(self) -> bool:
        """Whether READ was decided."""
        return "r" in self.use

    @property
    def writes(self) -> bool:
        """Whether WRITE was decided."""
        return "w" in self.use or "a" in self.use

    def wrote(self, offset: int, data: memoryview) -> None:
        """A WRITE goes out."""
        self.written.take(offset, data)

    def will_read(self, asked: Asked) -> None:
        """A READ goes out."""
        self._order.append(asked)

    def did_read(self, asked: Asked, data: memoryview) -> None:
        """A READ was answered. Targets may answer in any order; the hash follows the requests."""
        order = self._order
        if order[0] is not asked:
            asked.early = data
            self._early.bytes += len(data)
            if self._early.bytes > _MOST_EARLY:
                self._give_up_order()
            return
        order.popleft()
        self.read.take(asked.offset, data)
        while order and order[0].early is not None:
            self._take_early(order.popleft())

    def _take_early(self, asked: Asked) -> None:
        if asked.early is not None:
            self._early.bytes -= len(asked.early)
            self.read.take(asked.offset, asked.early)

    def _give_up_order(self) -> None:
        """Too much came early: take it as it stands, which makes the content sparse."""
        unanswered = [asked for asked in self._order if asked.early is None]
        for asked in self._order:
            self._take_early(asked)
        self._order = deque(unanswered)

    def outcome(self) -> Outcome:
        """What became of it, once it is closed; CANCELLED if it never was."""
        found = self.closed
        if found is None:
            found = Outcome(OutcomeKind.CANCELLED, message="not closed")
        elif self.failed and found.kind is OutcomeKind.DONE:
            message = f"{self.failed} of its requests failed"
            found = Outcome(OutcomeKind.FAILED, message=message)
        return found._replace(
            rows=self.entries, bytes_in=self.written.bytes, bytes_out=self.read.bytes
        )

    def details(self) -> dict[str, Any]:
        """What went over it, for an event; READs that were never answered are left out."""
        self._give_up_order()
        self._order.clear()
        found: dict[str, Any] = {}
        if self.reads:
            found["read"] = self.read.summary()
        if self.writes:
            found["written"] = self.written.summary()
        if self.failed:
            found["failed"] = self.failed
        if self.copied:
            found["copied"] = self.copied
        if self.truncated is not None:
            found["truncated"] = self.truncated
        if self.dropped:
            found["dropped"] = self.dropped
        return found


class Operation:
    """A request that needs a decision. `owed` counts questions about its names.

    `packet` is empty once it has gone out.

    `handles` are those it works on. It is `out` between its Submit and the decision.
    """

    __slots__ = ("handles", "key", "lexical", "number", "out", "owed", "packet", "plan")

    def __init__(self, key: int, number: int, packet: bytes, plan: Plan, home: bytes) -> None:
        self.key: Final = key
        self.number: Final = number
        self.packet = packet
        self.plan: Final = plan
        self.lexical: Final = frozenset(name.lexical(home) for name in plan.names)
        self.handles: tuple[OpenHandle, ...] = ()
        self.owed = 0
        self.out = False

    def bars(self, handle: OpenHandle) -> bool:
        """Whether what is done by `handle` has to wait for it."""
        if handle in self.handles:
            return True
        return self.plan.content and not self.lexical.isdisjoint(handle.lexical)


class Held:
    """A request by a handle that waits behind an operation."""

    __slots__ = ("handle", "number", "packet")

    def __init__(self, handle: OpenHandle, number: int, packet: bytes) -> None:
        self.handle: Final = handle
        self.number: Final = number
        self.packet: Final = packet


def outcome_of(code: int, message: bytes) -> Outcome:
    """A STATUS as an outcome."""
    if code == 0:
        return Outcome(OutcomeKind.DONE)
    word = STATUS_WORDS[code] if code < len(STATUS_WORDS) else f"status {code}"
    return Outcome(OutcomeKind.FAILED, tag=word, message=shown(message)[:200])
