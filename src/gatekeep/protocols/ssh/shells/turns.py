"""What a gate on a terminal says: its turns, plain words without behaviour; nothing here reads bytes.

Turns are to be carried out in the order in which they are given. None ever holds what was typed and
not shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from gatekeep.domain.commands import Assurance
from gatekeep.domain.events import EventKind


@dataclass(frozen=True, slots=True)
class ToTarget:
    """Bytes for the target's terminal."""

    data: bytes


@dataclass(frozen=True, slots=True)
class ToClient:
    """Bytes that the target showed: they are recorded, and go to the client."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Tell:
    """Words of ours for the client alone: never recorded as output of the target.

    `words` are what `data` says anew, as whole lines; none where it only moves or wipes.
    """

    data: bytes
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LineEntered:
    """A line waits for an answer under this `id`; nothing of it has run.

    `text` is all that the shell has of the command so far, the lines before it included. `digest`
    is the SHA-256 (hex) of its bytes. `resolved` is false where the text may not be the whole of
    what would run. `hidden_bytes` were typed and not shown; `observed` means that it ran already
    and can only be recorded. Both stay unset where a shell reports the line itself. Where something
    else than a line is asked for, `text` is empty, `tags` name it (`hidden_input`, `full_screen`,
    `no_marks`, `hook_lost`) and `assurance` is OPAQUE. `must_ask`: where policy would allow, it is
    to ask all the same.
    """

    id: int
    text: str
    resolved: bool
    assurance: Assurance
    digest: str
    tags: frozenset[str] = frozenset()
    hidden_bytes: int = 0
    observed: bool = False
    must_ask: bool = False


@dataclass(frozen=True, slots=True)
class LineWithdrawn:
    """The person took back a line that waits: whatever is answered now, it does not run."""

    id: int


@dataclass(frozen=True, slots=True)
class Finished:
    """A released line came to its end. `exit_status` is None where it never ran, or is not known."""

    line_id: int
    exit_status: int | None


@dataclass(frozen=True, slots=True)
class Note:
    """Something to record that is no line."""

    kind: EventKind
    payload: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CloseChannel:
    """The terminal cannot go on."""

    reason: str


Turn: TypeAlias = (
    ToTarget | ToClient | Tell | LineEntered | LineWithdrawn | Finished | Note | CloseChannel
)
