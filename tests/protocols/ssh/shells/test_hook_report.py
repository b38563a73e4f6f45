"""What a reported line becomes."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from gatekeep.domain.events import EventKind
from gatekeep.protocols.ssh.shells.hook_report import reported
from gatekeep.protocols.ssh.shells.turns import LineEntered, Note


@given(st.binary(max_size=40))
def test_only_what_can_be_shown_as_it_is_counts_as_resolved(line: bytes) -> None:
    """The digest is that of the bytes in any case."""
    (entered,) = reported(3, line, backstop=False)
    assert isinstance(entered, LineEntered)
    assert entered.id == 3
    assert entered.digest == hashlib.sha256(line).hexdigest()
    assert entered.resolved == (entered.text.encode() == line)


def test_what_the_backstop_caught_is_noted_first() -> None:
    """And never counts as the whole of a line."""
    note, entered = reported(1, b"rm x", backstop=True)
    assert isinstance(note, Note)
    assert isinstance(entered, LineEntered)
    assert note.kind is EventKind.LINE_UNGATED
    assert note.payload["digest"] == entered.digest
    assert not entered.resolved
    assert entered.tags == {"unreported"}
