"""What a conversation gives to its proxy: executions, segments, turns, and the verdicts it takes.

Plain words without behaviour; nothing here reads bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from gatekeep.domain.actions import Naming
from gatekeep.domain.outcomes import Outcome
from gatekeep.domain.sessions import SessionVector
from gatekeep.messages import WireMessage
from gatekeep.protocols.postgres.messages import TargetError

SegmentKind: TypeAlias = Literal["query", "sync", "flush", "cut", "function_call", "probe", "awake", "sorting", "part"]


class Called(NamedTuple):
    """What a FunctionCall calls. `unsynced`: messages went before it that no Sync has ended."""

    oid: int
    unsynced: bool


class Execution:
    """One logical event: a Query, or Parse, Bind and Execute joined.

    `mode` is simple, extended or function_call (then `call` says of what). `text` is the statement as the target will read it, unless
    `unknown_source` is true: then the source is not known (a portal or statement made elsewhere,
    a FunctionCall) or cannot be read as UTF-8, and the execution is opaque. `values` are raw bind
    values (None for NULL) in `parameter_formats` (0 text, 1 binary). `bind_only`: a Bind without
    an Execute of its portal in the same segment (planning can run code). `key` is unique in the
    conversation. `forced` is a message that refuses this execution whatever the gate says (too
    large to be judged). `bytes_in` are the bytes of its messages. `copies_out` is how many
    COPY TO STDOUT of it are released and not answered yet, `copies_in` how many COPY FROM STDIN.
    `note` belongs to the proxy, which
    also says what name the statement `gives`. `vector` is what the target read a portal under,
    `prepared` the Statement that was bound, None for a Query.
    """

    __slots__ = (
        "bind_only",
        "bytes_in",
        "call",
        "copies_in",
        "copies_out",
        "forced",
        "gives",
        "key",
        "mode",
        "note",
        "parameter_formats",
        "parameter_oids",
        "portal_name",
        "prepared",
        "statement_name",
        "text",
        "unknown_source",
        "values",
        "vector",
    )  # fmt: skip

    def __init__(self, mode: str, text: str, key: int) -> None:
        self.mode = mode
        self.text = text
        self.key = key
        self.statement_name = ""
        self.portal_name = ""
        self.parameter_oids: tuple[int, ...] = ()
        self.parameter_formats: tuple[int, ...] = ()
        self.values: tuple[bytes | None, ...] = ()
        self.bind_only = False
        self.unknown_source = False
        self.forced: WireMessage | None = None
        self.bytes_in = 0
        self.copies_in = 0
        self.copies_out = 0
        self.call: Called | None = None
        self.note: Any = None
        self.prepared: Any = None
        self.gives: Naming | None = None
        self.vector: SessionVector | None = None

    def again(self, key: int) -> Execution:
        """Another execution of the same portal."""
        other = Execution(self.mode, self.text, key)
        other.statement_name = self.statement_name
        other.portal_name = self.portal_name
        other.parameter_oids = self.parameter_oids
        other.parameter_formats = self.parameter_formats
        other.values = self.values
        other.unknown_source = self.unknown_source
        other.prepared = self.prepared
        other.vector = self.vector
        return other


class Segment:
    """The unit of decision: one Query, or all messages up to Sync or Flush (or a cut).

    A `part` is what goes out first of one that ends in Sync (see `cutting`); `before` and `behind`
    count the executions of the same pipeline that stand around it, where it was cut. `probe`,
    `awake` and `sorting` are ours: the client knows nothing of them.

    `executions` and `kind` are for the proxy. The rest belongs to the conversation: `raw` are the
    bytes as sent, `codes` one step a message that owes a reply (see `replies`), with its `owners`
    (Execution, Statement, a closed name, or None) and `starts` in `raw`; `at` is the step whose
    reply is expected, `done` what is settled with the next ReadyForQuery, `rest` the position of
    the first message that was cut with it and belongs to the next one (0: none).
    """

    __slots__ = (
        "at", "before", "behind", "codes", "done", "executions", "kind", "message", "nonce",
        "owners", "raw", "rest", "starts", "vector",
    )  # fmt: skip

    def __init__(
        self, executions: Sequence[Execution], kind: SegmentKind, raw: bytes, codes: Sequence[int]
    ) -> None:
        self.executions = executions
        self.kind: SegmentKind = kind
        self.raw = raw
        self.codes = codes
        self.owners: Sequence[Any] = executions
        self.starts: Sequence[int] = (0,)
        self.at = self.rest = self.before = self.behind = 0
        self.done: list[Done] | None = None
        self.nonce = b""
        self.message: WireMessage | None = None
        self.vector: SessionVector | None = None


@dataclass(slots=True)
class Done:
    """An execution that ended, before its transaction's end is known."""

    execution: Execution
    tag: str
    rows: int
    bytes_out: int
    failure: TargetError | None = None


# --- verdicts, from the proxy ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Released:
    """The execution may go out. `probe_after`: it may change how later statements are read.

    It is then the last verdict: what stands behind it in the segment is read and judged anew.
    `copies_out`: so many of its statements are a COPY TO STDOUT; no other gives CopyOutResponse.
    `copies_in`: so many are a COPY FROM STDIN.
    """

    probe_after: bool = False
    copies_out: int = 0
    copies_in: int = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """The execution may not go out. `message` None: the target's own 25P02 is left unchanged."""

    message: WireMessage | None


Verdict: TypeAlias = Released | Refused


# --- turns, to the proxy --------------------------------------------------------------------------


@dataclass(slots=True)
class Submit:
    """A segment to judge; answer with `Conversation.release`."""

    segment: Segment


@dataclass(slots=True)
class Answer:
    """Bytes for the client that need no target."""

    data: bytes


@dataclass(slots=True)
class Terminate:
    """The client says good-bye; all that it sent before has been answered."""


@dataclass(slots=True)
class Violation:
    """The protocol was broken, by `owner`; `what` says what and where. Nothing more is read."""

    what: str
    owner: Literal["client", "target"]


@dataclass(slots=True)
class Relay:
    """Bytes for the client. Between two Relays a message may be half sent."""

    data: bytes


@dataclass(slots=True)
class Settled:
    """What became of a released execution; `duration_us` is left for the proxy."""

    execution: Execution
    outcome: Outcome


@dataclass(slots=True)
class Ready:
    """ReadyForQuery went to the client, with the transaction status I, T or E."""

    status: str


@dataclass(slots=True)
class ToTarget:
    """Bytes for the target that need no judging: our own, or rows of a COPY that was released."""

    data: bytes


@dataclass(slots=True)
class Onward:
    """What waits of the client may go on, although no ReadyForQuery says so: ask `next_turns`."""


@dataclass(slots=True)
class VectorKnown:
    """The session vector was read back."""

    vector: SessionVector


@dataclass(slots=True)
class Notification:
    """A NotificationResponse passed; of its payload only length and SHA-256 (hex) are kept."""

    channel: str
    length: int
    sha256: str


ClientTurn: TypeAlias = Submit | Answer | ToTarget | Terminate | Violation
TargetTurn: TypeAlias = (
    Relay | Settled | Ready | ToTarget | Onward | VectorKnown | Notification | Violation
)

READY: Final = {status: Ready(status) for status in ("I", "T", "E")}
