"""What a reviewer reads of an event: names for what SSH does, facts for the rest, whatever they hold."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeep.cli.events import event_row
from gatekeep.cli.telling import duration_words, facts, said
from gatekeep.domain.events import EventKind

SESSION = "5e" * 16

TOLD: list[tuple[str, dict[str, Any], str]] = [
    ("action.released", {"mode": "exec", "text": "ls -l"}, "ls -l"),
    ("action.released", {"mode": "shell", "text": "", "pty": "xterm"}, "interactive shell, xterm"),
    ("action.released", {"mode": "shell", "text": "", "pty": ""}, "interactive shell"),
    (
        "action.refused", {"mode": "sftp", "operation": "remove", "text": "/etc/passwd"},
        "remove /etc/passwd",
    ),
    (
        "action.released",
        {"mode": "sftp", "operation": "open", "flags": ["write", "create"], "text": "/a"},
        "open (write create) /a",
    ),
    ("action.released", {"mode": "sftp", "operation": "limits", "text": "limits"}, "limits"),
    ("action.released", {"mode": "scp", "operation": "scp", "text": "scp -t /a"}, "scp -t /a"),
    ("action.released", {"mode": "tunnel", "direction": "out", "text": "db:1"}, "tunnel to db:1"),
    ("action.released", {"mode": "tunnel", "direction": "in", "text": "[::1]:2"}, "tunnel in from [::1]:2"),
    ("action.refused", {"mode": "tunnel", "text": "no tunnel leads to x"}, "no tunnel leads to x"),
    ("action.released", {"mode": "listen", "text": "localhost:80"}, "listen on localhost:80"),
    (
        "action.released", {"mode": "line", "text": "hidden_input", "hidden_bytes": 9},
        "9 bytes typed unseen",
    ),
    ("action.released", {"mode": "line", "text": "ls", "hidden_bytes": 2}, "ls  (2 bytes typed unseen)"),
    ("action.finished", {"of": 1, "outcome": "done"}, ""),
    (
        "session.opened",
        {"account": "root", "source": "10.1.1.1", "method": "key", "jumped": True, "application": "x"},
        "S-BSF5WQJY as root from 10.1.1.1 by key, jumped (x)",
    ),
    ("session.closed", {"reason": "client left", "duration_us": 1_500_000}, "client left after 1.5 s"),
    ("channel.closed", {"channel": 1, "mode": "sftp", "bytes_in": 2, "bytes_out": 3},
     "channel 1, sftp, 2 bytes in, 3 out"),
    ("line.hidden", {"bytes": 13, "state": "edit"}, "13 bytes typed unseen"),
    ("hostkey.changed", {"address": "h:22", "known": ["SHA256:a"], "shown": "SHA256:b"},
     "known SHA256:a, shown SHA256:b at h:22"),
    ("hostkey.accepted", {"address": "h:22", "kind": "x", "shown": "SHA256:b"}, "shown SHA256:b at h:22"),
    ("recording.chunk", {"channel": 1, "seq": 2, "final": True, "counts": {"output": 7}},
     "channel 1, part 3, 7 bytes shown so far, the last"),
    ("recording.chunk", {"channel": 1, "seq": 0, "final": True, "stdout": {"size": 3}, "stderr": {"size": 0}},
     "channel 1, part 1, stdout 3 bytes, stderr 0 bytes, the last"),
    ("recording.viewed", {"way": "watch", "session": SESSION, "of": "alice"}, "watch of S-BSF5WQJY of alice"),
    ("session.killed", {"session": SESSION, "of": "alice", "reason": "leak"}, "S-BSF5WQJY of alice: leak"),
    ("audit.read", {"query": "kind:x", "found": 3}, '"kind:x", 3 found'),
    ("target.fault", {"what": "gone", "list": [1]}, "what=gone"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "payload", "words"), TOLD)
def test_each_kind_is_told_in_few_words(kind: str, payload: dict[str, Any], words: str) -> None:
    """One line that needs no second look."""
    assert said(kind, payload, SESSION) == words


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(
    ["mode", "text", "operation", "flags", "direction", "hidden_bytes", "account", "source", "method", "jumped", "application", "reason", "duration_us", "channel", "bytes_in", "bytes", "fault", "known", "shown", "seq", "counts", "stdout", "stderr", "final", "way", "session", "of", "query", "outcome", "cause", "class"]
)


@given(st.sampled_from([kind.value for kind in EventKind]), st.dictionaries(NAMES, VALUES, max_size=8))
def test_no_payload_is_too_strange_to_tell(kind: str, payload: dict[str, Any]) -> None:
    """A reviewer's line never fails over what an event holds."""
    event = {"n": 1, "envelope": {"k": kind, "t": 1, "s": SESSION}, "payload": payload}
    assert isinstance(event_row(event)["statement"], str)


def test_an_outcome_that_is_not_known_says_why() -> None:
    """`action.unknown` is neither an outcome nor something that was not sent; a token's owner is none."""
    event = {"envelope": {"k": "action.unknown"}, "payload": {"of": 7, "cause": "client left"}}
    assert event_row(event)["outcome"] == "unknown: client left"
    made = {"envelope": {"k": "token.made"}, "payload": {"of": "alice", "principal": "owner"}}
    assert event_row(made)["outcome"] == ""


def test_facts_and_durations() -> None:
    """Single values by name; times as people say them."""
    assert facts({"a": 1, "b": "", "c": None, "d": [1], "e": "x"}) == "a=1 e=x"
    assert [duration_words(n) for n in (7, 12_345, 3_400_000)] == ["7 µs", "12 ms", "3.4 s"]
