"""The reply grammar as data: what a target may say next, and the shapes of what it says.

No state and no bytes of a client here; `replies` walks the table.

Each step of a segment waits in one state; ErrorResponse is allowed in every state:

    state               may come                                     error then
    PARSE               ParseComplete                                skip to SYNC
    BIND                BindComplete                                 skip to SYNC
    CLOSE               CloseComplete                                skip to SYNC
    DESCRIBE_STATEMENT  ParameterDescription, then as DESCRIBE       skip to SYNC
    DESCRIBE            RowDescription | NoData                      skip to SYNC
    EXECUTE             DataRow*, then CommandComplete |             skip to SYNC
                        EmptyQueryResponse | PortalSuspended |
                        CopyOutResponse (then COPIES) |
                        CopyInResponse (then TAKES)
    COPIES              CopyData*, then CopyDone (then COPIED)       skip to SYNC
    COPIED              CommandComplete                              skip to SYNC
    TAKES               CommandComplete                              skip to SYNC
    FAIL                (our own failing message: only an error)     skip to SYNC
    QUERY               RowDescription (then QUERY_ROWS) |           END
                        CommandComplete | EmptyQueryResponse,
                        then QUERY_MORE | CopyOutResponse
                        (then QUERY_COPIES) | CopyInResponse
                        (then QUERY_TAKES)
    QUERY_MORE          as QUERY, or ReadyForQuery                   END
    QUERY_ROWS          DataRow | RowDescription | CommandComplete   END
    QUERY_COPIES        CopyData*, then CopyDone (QUERY_COPIED)      END
    QUERY_COPIED        CommandComplete, then QUERY_MORE             END
    QUERY_TAKES         CommandComplete, then QUERY_MORE             END
    CALL                FunctionCallResponse (then END)              END
    FAIL_QUERY          (our own failing Query: only an error)       END
    SYNC                ReadyForQuery                                SYNC
    END                 ReadyForQuery                                fault
    SORTING             ReadyForQuery+, then CloseComplete           fault unless FATAL
    IDLE                (nothing)                                    fault unless FATAL

CopyOutResponse comes once for each COPY TO STDOUT that was released (`Execution.copies_out`), and
for nothing else; so does CopyInResponse for COPY FROM STDIN (`copies_in`), see `copy_in` for what
may follow it; CopyBothResponse never. CopyData is skipped by length.

NoticeResponse, ParameterStatus and NotificationResponse may come at any time. "Skip to SYNC": the
target ignores everything, Query too, until the next Sync.
"""

from __future__ import annotations

import struct
from typing import Final

from gatekeep.errors import TargetFault
from gatekeep.messages import TARGET_PREFIX
from gatekeep.protocols.postgres import messages
from gatekeep.protocols.postgres.turns import Execution

# Declared, because the compiler reads modules in an order of its own.
PARSE: int
BIND: int
CLOSE: int
DESCRIBE: int
DESCRIBE_STATEMENT: int
EXECUTE: int
SYNC: int
QUERY: int
CALL: int
PARSE, BIND, CLOSE, DESCRIBE, DESCRIBE_STATEMENT, EXECUTE, SYNC, QUERY, CALL = b"PBCDdESQF"
FAIL, FAIL_QUERY, QUERY_ROWS, QUERY_MORE, END, IDLE = b"Xxqmz-"
COPIES, COPIED, QUERY_COPIES, QUERY_COPIED = b"oOkK"
TAKES, QUERY_TAKES, SORTING = b"wW~"
NEXT: Final = 0

(
    NOTHING, PARSED, BOUND, CLOSED, COMPLETE, EMPTY, SUSPENDED, TAGGED, READY_NOW, DESCRIBED,
    COPIES_OUT, COPIES_IN, TOOK, QUERY_TOOK,
) = range(14)  # fmt: skip
COPY_EFFECTS: Final = frozenset((COPIES_OUT, COPIES_IN, TOOK, QUERY_TOOK))

TRANSITIONS: Final[dict[int, dict[int, tuple[int, int]]]] = {
    PARSE: {ord("1"): (NEXT, PARSED)},
    BIND: {ord("2"): (NEXT, BOUND)},
    CLOSE: {ord("3"): (NEXT, CLOSED)},
    DESCRIBE_STATEMENT: {ord("t"): (DESCRIBE, DESCRIBED)},
    DESCRIBE: {ord("T"): (NEXT, NOTHING), ord("n"): (NEXT, NOTHING)},
    EXECUTE: {
        ord("D"): (EXECUTE, NOTHING),
        ord("C"): (NEXT, COMPLETE),
        ord("I"): (NEXT, EMPTY),
        ord("s"): (NEXT, SUSPENDED),
        ord("H"): (COPIES, COPIES_OUT),
        ord("G"): (TAKES, COPIES_IN),
    },
    COPIES: {ord("d"): (COPIES, NOTHING), ord("c"): (COPIED, NOTHING)},
    COPIED: {ord("C"): (NEXT, COMPLETE)},
    TAKES: {ord("C"): (NEXT, TOOK)},
    FAIL: {},
    QUERY: {
        ord("T"): (QUERY_ROWS, NOTHING),
        ord("C"): (QUERY_MORE, TAGGED),
        ord("I"): (QUERY_MORE, NOTHING),
        ord("H"): (QUERY_COPIES, COPIES_OUT),
        ord("G"): (QUERY_TAKES, COPIES_IN),
    },
    QUERY_MORE: {
        ord("T"): (QUERY_ROWS, NOTHING),
        ord("C"): (QUERY_MORE, TAGGED),
        ord("I"): (QUERY_MORE, NOTHING),
        ord("H"): (QUERY_COPIES, COPIES_OUT),
        ord("G"): (QUERY_TAKES, COPIES_IN),
        ord("Z"): (NEXT, READY_NOW),
    },
    QUERY_COPIES: {ord("d"): (QUERY_COPIES, NOTHING), ord("c"): (QUERY_COPIED, NOTHING)},
    QUERY_COPIED: {ord("C"): (QUERY_MORE, TAGGED)},
    QUERY_TAKES: {ord("C"): (QUERY_MORE, QUERY_TOOK)},
    QUERY_ROWS: {
        ord("D"): (QUERY_ROWS, NOTHING),
        ord("T"): (QUERY_ROWS, NOTHING),  # a rule's DO ALSO SELECT has rows and no tag of its own
        ord("C"): (QUERY_MORE, TAGGED),
    },
    CALL: {ord("V"): (END, NOTHING)},
    FAIL_QUERY: {},
    SYNC: {ord("Z"): (NEXT, READY_NOW)},
    END: {ord("Z"): (NEXT, READY_NOW)},
    SORTING: {ord("Z"): (SORTING, NOTHING), ord("3"): (NEXT, NOTHING)},
    IDLE: {},
}
SKIPS_ON_ERROR: Final = frozenset((PARSE, BIND, CLOSE, DESCRIBE, DESCRIBE_STATEMENT, EXECUTE, FAIL))
OWES_READY: Final = frozenset((SYNC, QUERY, CALL, FAIL_QUERY))
ERROR, NOTICE, STATUS, NOTIFICATION, READY = b"ENSAZ"
ANY_TIME: Final = frozenset((ERROR, NOTICE, STATUS, NOTIFICATION))

MAX_MESSAGE: Final = 16 << 20
MAX_PARAMETER_STATUS: Final = 64_000
MAX_REPORTS: Final = 1_000
"""ParameterStatus messages between two ReadyForQuery."""

_BARE: Final = frozenset(b"123nIsc")
_COPY_RESPONSES: Final = frozenset(b"GH")
_HEADER: Final = 5
_COLUMN: Final = 19  # an empty name, and eighteen bytes that describe it


def check_shape(kind: int, data: bytes, at: int, end: int) -> None:
    """Whether a reply whose content does not matter is as long as it must be. Raises TargetFault."""
    size = end - at - _HEADER
    if kind in _BARE:
        good = not size
    elif kind == ord("T"):
        good = size >= 2 and size >= 2 + _COLUMN * (data[at + 5] << 8 | data[at + 6])  # noqa: PLR2004 - the count itself
    elif kind in _COPY_RESPONSES:
        good = size >= 3 and size == 3 + 2 * (data[at + 6] << 8 | data[at + 7])  # noqa: PLR2004 - format and count
    elif kind == ord("t"):
        good = size >= 2 and size == 2 + 4 * (data[at + 5] << 8 | data[at + 6])  # noqa: PLR2004 - the count itself
    else:
        good = size >= 4  # noqa: PLR2004 - FunctionCallResponse: a length
    if not good:
        raise TargetFault(f"message '{chr(kind)}' of impossible shape")


def count_copy_out(execution: Execution) -> None:
    """A CopyOutResponse came for it. Raises TargetFault unless one is still owed."""
    if not execution.copies_out:
        raise TargetFault("CopyOutResponse to what is no COPY TO STDOUT")
    execution.copies_out -= 1


def tag_at(data: bytes, at: int, end: int) -> str:
    """The tag of a CommandComplete. Raises TargetFault."""
    if data.find(b"\x00", at + _HEADER, end) != end - 1:
        raise TargetFault("CommandComplete: no end")
    return data[at + _HEADER : end - 1].decode("utf-8", "replace")


def oids_at(data: bytes, at: int, end: int) -> tuple[int, ...]:
    """The parameters' types in a ParameterDescription of good shape."""
    return struct.unpack_from(f">{(end - at - _HEADER - 2) // 4}I", data, at + _HEADER + 2)


def unmasked(kind: bytes, body: bytes) -> bytes | None:
    """A target's notice (`N`) or error (`E`) that speaks as gatekeep, with its origin named.

    None when it does not. Raises TargetFault for broken fields.
    """
    fields = messages.read_fields(body)
    if b"gatekeep" not in body.lower():
        return None
    prefix = TARGET_PREFIX.encode()
    named = [
        (code, prefix + value if code == b"M" and _speaks_as_us(value) else value)
        for code, value in fields
    ]
    return messages.fields_frame(kind, named) if named != fields else None


def _speaks_as_us(value: bytes) -> bool:
    return value.lstrip(b" \t\r\n\v\f\x1b").lower().startswith(b"gatekeep")
