"""One client and one target talking the old scp protocol: bytes in, a list of turns out. Sans-IO.

Every file and directory is judged before the other side hears of it. The two directions are one
machine: the source has the files (the client for `scp -t`, the target for `scp -f`), the sink
takes them. What the words mean is `scp_records`', which files they name `scp_files`'.
"""

# State      what moves it on
# ready      the sink's first reply, to the source
# record     a record of the source: C or D is submitted with the T before it (T itself we answer),
#            E goes to the sink; an error line goes to the sink and is not replied to
# deciding   release: the records go to the sink, a T first; refuse: the source gets an error in
#            place of the sink's reply, and a client that is the sink is told
# times      the sink's reply to T, which stays here; an error is the entry's reply
# reply      the sink's reply to C (then data, or record on an error), D or E (then record)
# data       as many bytes of the source as C said, to the sink
# tail       the source's word on the data: a zero byte or an error line, to the sink
# stored     the sink's reply to the file
# ended      nothing
#
# Invariants: no byte of a file and no name reaches the sink before its release, and the next record
# is not read before the sink has replied. Replies that nobody waits for end it; error lines are
# let through whenever they come, a bounded number of them.

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

from gatekeep.domain.events import EventKind
from gatekeep.domain.outcomes import Outcome, OutcomeKind
from gatekeep.protocols.ssh.files.file_content import Content
from gatekeep.protocols.ssh.files.file_turns import (
    Answer,
    Note,
    Relay,
    Settled,
    Submit,
    ToTarget,
    Turn,
    Violation,
)
from gatekeep.protocols.ssh.files.scp_files import Place, entry_action
from gatekeep.protocols.ssh.files.scp_records import (
    MOST_LINE,
    Broken,
    End,
    Entry,
    ScpCommand,
    Times,
    clean_error,
    error_line,
    read_record,
)
from gatekeep.protocols.ssh.files.sftp_names import shown

_MOST_HELD: Final = 1024 * 1024
_CONGESTED: Final = 64 * 1024
_MOST_LINES: Final = 1000
_GOOD: Final = b"\0"
_ERRORS: Final = (1, 2)
_State = Literal[
    "ready", "record", "deciding", "times", "reply", "data", "tail", "stored", "ended"
]


class ScpConversation:
    """The protocol state of one `scp -t` or `scp -f`.

    The command itself is judged before (`scp_files.command_action`). For each Submit call
    `release(key)` once its event is durable, or `refuse(key, words)`. `home` is the directory
    that the target's shell begins in, empty where that is not known.
    """

    def __init__(self, command: ScpCommand, *, home: str = "") -> None:
        self._command = command
        self._place = Place(command, home)
        self._state: _State = "ready"
        self._source = bytearray()
        self._sink = bytearray()
        self._key = 0
        self._entry: Entry | None = None
        self._times: Times | None = None
        self._times_line = b""
        self._line = b""
        self._left = 0
        self._content = Content()
        self._open = False
        self._error = ""
        self._lines = 0

    @property
    def backlog(self) -> int:
        """The client's bytes that are kept here."""
        return len(self._source if self._command.takes else self._sink)

    @property
    def congested(self) -> bool:
        """Whether to stop reading the client until something is decided or answered."""
        return self.backlog > _CONGESTED

    @property
    def idle(self) -> bool:
        """Whether nothing waits for a decision: the client's EOF may go on."""
        return self._state != "deciding"

    def receive_client(self, data: bytes) -> list[Turn]:
        """Take the client's bytes. Never raises: a broken protocol is a Violation."""
        return self._receive(data, self._source if self._command.takes else self._sink)

    def receive_target(self, data: bytes) -> list[Turn]:
        """Take the target's bytes. Never raises: a broken protocol is a Violation."""
        return self._receive(data, self._sink if self._command.takes else self._source)

    def finish(self) -> list[Settled]:
        """At the end, however it came: what is to be recorded of a file that did not arrive whole."""
        self._state = "ended"
        if not self._open:
            return []
        self._open = False
        return [self._settled(OutcomeKind.CANCELLED, "not complete")]

    # --- decisions --------------------------------------------------------------------------------

    def release(self, key: int) -> list[Turn]:
        """The entry was permitted and its event is durable: its records go to the sink."""
        self._decided(key)
        turns: list[Turn] = []
        if self._state == "ended":
            return turns
        self._open = True
        if self._times_line:
            self._to_sink(self._times_line, turns)
            self._times_line = b""
            self._state = "times"
        else:
            self._to_sink(self._line, turns)
            self._state = "reply"
        self._run(turns)
        return turns

    def refuse(self, key: int, words: Sequence[str]) -> list[Turn]:
        """The entry is not to be: it is passed over, and the client is told why."""
        self._decided(key)
        turns: list[Turn] = []
        if self._state == "ended":
            return turns
        line = error_line("; ".join([*words[:1], *(_bare(word) for word in words[1:])]))
        if self._command.takes:
            turns.append(Answer(line))
        else:
            turns += [ToTarget(error_line("not permitted")), Answer(line)]
        self._forget()
        self._run(turns)
        return turns

    def _decided(self, key: int) -> None:
        if key != self._key or self._state not in ("deciding", "ended"):
            raise ValueError("a decision on an entry that is not out")

    def _forget(self) -> None:
        """The entry is over with, one way or another."""
        self._entry = self._times = None
        self._times_line = b""
        self._state = "record"

    # --- the machine ------------------------------------------------------------------------------

    def _receive(self, data: bytes, side: bytearray) -> list[Turn]:
        turns: list[Turn] = []
        if self._state == "ended":
            return turns
        if side is self._source and self._state == "data" and not side and len(data) <= self._left:
            self._pass_data(data, turns)
        else:
            side += data
        self._run(turns)
        if len(side) > _MOST_HELD and not any(isinstance(turn, Violation) for turn in turns):
            self._break("more than was asked for", turns, source=side is self._source)
        return turns

    def _run(self, turns: list[Turn]) -> None:
        while self._state != "ended":
            if self._attempt(self._read_source, turns, source=True):
                continue
            if not self._attempt(self._read_sink, turns, source=False):
                return

    def _attempt(
        self, step: Callable[[list[Turn]], bool], turns: list[Turn], *, source: bool
    ) -> bool:
        if self._state == "ended":
            return False
        try:
            return step(turns)
        except Broken as fault:
            self._break(str(fault), turns, source=source)
            return False

    def _break(self, what: str, turns: list[Turn], *, source: bool) -> None:
        """Whoever broke the protocol is named; a client gets a last line."""
        by_client = source is self._command.takes
        self._state = "ended"
        if not by_client:
            turns.append(Note(EventKind.TARGET_FAULT, {"protocol": "scp", "cause": what}))
        whose: Literal["client", "target"] = "client" if by_client else "target"
        turns.append(Answer(error_line(f"gatekeep: the {whose} sent {what}", fatal=True)))
        turns.append(Violation(what, whose))

    def _to_sink(self, data: bytes, turns: list[Turn]) -> None:
        turns.append(ToTarget(data) if self._command.takes else Relay(data))

    def _to_source(self, data: bytes, turns: list[Turn]) -> None:
        turns.append(Relay(data) if self._command.takes else ToTarget(data))

    # --- from the source --------------------------------------------------------------------------

    def _read_source(self, turns: list[Turn]) -> bool:
        """One step with what the source sent; false where there is none to make."""
        if not self._source:
            return False
        if self._state == "data":
            data = bytes(self._source[: self._left])
            del self._source[: self._left]
            self._pass_data(data, turns)
            return True
        if self._state == "tail" and self._source[0] == 0:
            del self._source[:1]
            self._to_sink(_GOOD, turns)
            self._state = "stored"
            return True
        if self._state not in ("record", "tail"):
            return False
        line = self._cut(self._source)
        if line is None:
            return False
        if line[:1] in (b"\1", b"\2"):
            self._to_sink(self._error_of(line), turns)
            if self._state == "tail":
                self._error = shown(line[1:])[:200]
                self._state = "stored"
        elif self._state == "tail":
            raise Broken("something else than the end of a file")
        else:
            self._take_record(line, turns)
        return True

    def _pass_data(self, data: bytes, turns: list[Turn]) -> None:
        self._content.append(data)
        self._left -= len(data)
        if data:
            self._to_sink(data, turns)
        if not self._left:
            self._state = "tail"

    def _take_record(self, line: bytes, turns: list[Turn]) -> None:
        record = read_record(line)
        if isinstance(record, Times):
            if self._times is not None:
                raise Broken("times after times")
            self._times, self._times_line = record, line + b"\n"
            turns.append(Answer(_GOOD) if self._command.takes else ToTarget(_GOOD))
        elif isinstance(record, End):
            if self._times is not None:
                raise Broken("times without a file")
            self._place.leave()
            self._to_sink(line + b"\n", turns)
            self._state = "reply"
        else:
            self._place.admit(record)
            self._entry, self._line = record, line + b"\n"
            self._content, self._error = Content(), ""
            self._key += 1
            self._state = "deciding"
            raw = self._times_line + self._line
            action = entry_action(self._command, self._place, record, self._times, raw)
            turns.append(Submit(self._key, action))

    # --- from the sink ----------------------------------------------------------------------------

    def _read_sink(self, turns: list[Turn]) -> bool:
        """One step with what the sink replied; false where there is none to make."""
        if not self._sink:
            return False
        if self._sink[0] == 0:
            if self._state not in ("ready", "times", "reply", "stored"):
                raise Broken("a reply that nobody waits for")
            del self._sink[:1]
            self._good_reply(turns)
            return True
        if self._sink[0] not in _ERRORS:
            raise Broken("a reply that is none")
        line = self._cut(self._sink)
        if line is None:
            return False
        clean = self._error_of(line)
        state = self._state
        self._to_source(clean, turns)
        if state in ("times", "reply", "stored"):
            if self._open:
                turns.append(self._settled(OutcomeKind.FAILED, shown(line[1:])[:200]))
            self._forget()
        elif state == "ready":
            self._state = "record"
        return True

    def _good_reply(self, turns: list[Turn]) -> None:
        entry = self._entry
        if self._state == "times":
            self._to_sink(self._line, turns)
            self._state = "reply"
            return
        self._to_source(_GOOD, turns)
        if self._state == "ready" or entry is None:
            self._state = "record"
        elif self._state == "stored":
            kind = OutcomeKind.FAILED if self._error else OutcomeKind.DONE
            turns.append(self._settled(kind, self._error))
            self._forget()
        elif entry.directory:
            self._place.enter(entry.name)
            turns.append(self._settled(OutcomeKind.DONE, ""))
            self._forget()
        else:
            self._left = entry.size
            self._state = "data" if entry.size else "tail"

    def _settled(self, kind: OutcomeKind, message: str) -> Settled:
        self._open = False
        entry, count = self._entry, self._content.bytes
        details: dict[str, Any] = {}
        if entry is not None and not entry.directory:
            details["written" if self._command.takes else "read"] = self._content.summary()
        bytes_in, bytes_out = (count, 0) if self._command.takes else (0, count)
        outcome = Outcome(kind, message=message, bytes_in=bytes_in, bytes_out=bytes_out)
        return Settled(self._key, outcome, details)

    # --- lines ------------------------------------------------------------------------------------

    def _cut(self, side: bytearray) -> bytes | None:
        """The next line without its end; None while it is not whole."""
        end = side.find(b"\n", 0, MOST_LINE)
        if end < 0:
            if len(side) >= MOST_LINE:
                raise Broken("a line that is too long")
            return None
        line = bytes(side[:end])
        del side[: end + 1]
        return line

    def _error_of(self, line: bytes) -> bytes:
        self._lines += 1
        if self._lines > _MOST_LINES:
            raise Broken("error lines without end")
        return clean_error(line)


def _bare(words: str) -> str:
    return words.removeprefix("gatekeep: ")
