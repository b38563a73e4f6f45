"""From the bytes that a shell reports to the turns that ask for an answer. No state."""

from __future__ import annotations

import hashlib

from gatekeep.domain.commands import Assurance
from gatekeep.domain.events import EventKind
from gatekeep.protocols.ssh.shells.turns import LineEntered, Note, Turn


def reported(line_id: int, line: bytes, *, backstop: bool) -> list[Turn]:
    """The question about one line; noted first where only the backstop caught a command of it.

    Bytes that are no UTF-8 are shown replaced, so the text is not resolved; the digest is theirs.
    """
    digest = hashlib.sha256(line).hexdigest()
    text = line.decode(errors="replace")
    entered = LineEntered(
        id=line_id,
        text=text,
        resolved=not backstop and text.encode() == line,
        assurance=Assurance.ATTESTED,
        digest=digest,
        tags=frozenset({"unreported"} if backstop else ()),
    )
    if not backstop:
        return [entered]
    cause = "a command was reached without its line being reported"
    return [Note(EventKind.LINE_UNGATED, {"cause": cause, "digest": digest}), entered]
