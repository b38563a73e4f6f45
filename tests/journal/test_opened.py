"""What is open: follows from leaves alone, and survives its own file."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatekeep.errors import EvidenceBroken
from gatekeep.journal.encoding import canonical_json, encode_record, leaf_hash
from gatekeep.journal.opened import OpenThings, encode_open_things, read_open_things
from gatekeep.journal.spool import Batch, Position

_A, _B = "aa" * 16, "bb" * 16


def _leaf(n: int, q: int, kind: str, session: str, of: int | None = None) -> bytes:
    envelope: dict[str, object] = {"k": kind, "n": n, "q": q, "s": session, "x": "shop"}
    if of is not None:
        envelope["r"] = {"of": of}
    return canonical_json(envelope)


def _batch(first_n: int, *leaves: bytes) -> Batch:
    body = b"".join(encode_record(leaf, b"", b"key") for leaf in leaves)
    here = Position(0, 0, first_n, 1)
    return Batch(1, first_n, len(leaves), body, here, here)


def test_what_was_not_ended_is_open() -> None:
    """Sessions without a closing event, released actions without an outcome; the rest is forgotten."""
    last = _leaf(4, 2, "action.released", _A)
    opened = OpenThings()
    opened.observe_batch(
        _batch(
            0,
            _leaf(0, 0, "session.opened", _A),
            _leaf(1, 0, "session.opened", _B),
            _leaf(2, 1, "action.released", _A),
            _leaf(3, 1, "session.closed", _B),
            last,
        )
    )
    opened.observe_batch(_batch(5, _leaf(5, 3, "action.finished", _A, of=2)))
    assert opened.n == 6
    assert list(opened.actions.items()) == [(4, _A)]
    assert list(opened.sessions) == [_A]
    session = opened.sessions[_A]
    assert (session.q, session.target, session.extra) == (4, "shop", b"key")
    assert session.head() == leaf_hash(_leaf(5, 3, "action.finished", _A, of=2)).hex()


def test_the_file_says_the_same(tmp_path: Path) -> None:
    """Written and read, it is the same; events before its index are not counted twice."""
    opened = OpenThings()
    opened.observe_batch(_batch(0, _leaf(0, 0, "action.released", _A)))
    content = encode_open_things(1, opened.sessions.items(), opened.actions)
    (tmp_path / "open").write_bytes(content)
    again = read_open_things(tmp_path)
    assert (again.n, again.floor, again.actions) == (1, 1, {0: _A})
    assert again.sessions[_A].head() == opened.sessions[_A].head()
    again.observe_batch(
        _batch(0, _leaf(0, 0, "action.released", _A), _leaf(1, 1, "session.closed", _A))
    )
    assert (again.n, again.sessions) == (2, {})
    assert read_open_things(tmp_path / "none").n == 0


def test_a_leaf_out_of_place_is_broken_evidence() -> None:
    """An index that is not its place, or no envelope at all."""
    for leaf in (_leaf(7, 0, "audit.read", _A), b"{}", b"[]", b"x"):
        with pytest.raises(EvidenceBroken):
            OpenThings().observe_batch(_batch(0, leaf))
