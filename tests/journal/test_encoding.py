"""Leaves and records: canonical bytes, parsed strictly, hashed as stored."""

from __future__ import annotations

import hashlib
import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeep.errors import EvidenceBroken
from gatekeep.journal import encoding

_HEX = "ab" * 32


def _leaf(*, target: str = "shop", decision: bytes = b"", counters: bytes = b"") -> bytes:
    stream = encoding.LeafStream.of(
        boot="0f" * 8, origin="example.com/gatekeep/1", session_id="12" * 16, target=target
    )
    return encoding.encode_leaf(
        stream,
        kind=b"action.released",
        n=7,
        q=3,
        previous=_HEX.encode(),
        monotonic_ns=5,
        wall_us=1_763_000_000_000_000,
        decision=decision,
        counters=counters,
        commitment=_HEX.encode(),
        ciphertext_hash=_HEX.encode(),
        length=560,
    )


@given(
    target=st.text(max_size=20),
    decision=st.dictionaries(st.sampled_from(["decision", "policy", "rule"]), st.text()),
    of=st.none() | st.integers(0, 2**53 - 1),
)
def test_a_leaf_is_canonical_json(target: str, decision: dict[str, str], of: int | None) -> None:
    """What is formatted by hand is exactly what sorted, compact JSON would be."""
    counters = {} if of is None else {"of": of}
    leaf = _leaf(
        target=target,
        decision=encoding.canonical_json(decision) if decision else b"",
        counters=encoding.canonical_json(counters) if counters else b"",
    )
    assert orjson.dumps(json.loads(leaf), option=orjson.OPT_SORT_KEYS) == leaf
    envelope = encoding.parse_leaf(leaf)
    assert envelope["n"] == 7
    assert envelope.get("x", "") == target
    assert envelope.get("g", {}) == decision
    assert envelope.get("r", {}) == counters


def test_the_leaf_hash_is_rfc_6962() -> None:
    """SHA-256 over a zero byte and the leaf."""
    assert encoding.leaf_hash(b"abc") == hashlib.sha256(b"\0abc").digest()


@pytest.mark.parametrize(
    "change",
    [
        (b'"v":1', b'"v":2'),
        (b'"n":7', b'"n":7.0'),
        (b'"n":7', b'"n":true'),
        (b'"q":3', b'"q": 3'),
        (b"A256GCM", b"A128GCM"),
        (b'"v":1', b'"u":1,"v":1'),
        (b'"len":560', b'"len":560,"more":1'),
        (b'{"b"', b'["b"'),
        (b'"k":', b'"K":'),
    ],
)
def test_a_leaf_that_is_not_ours_is_refused(change: tuple[bytes, bytes]) -> None:
    """Other types, spaces, unknown fields and versions are never read with goodwill."""
    with pytest.raises(EvidenceBroken):
        encoding.parse_leaf(_leaf().replace(*change))


@pytest.mark.parametrize("value", [{"a": 1.5}, {"a": None}, {"ä": 1}, {"a": 2**53}, {"a": [b""]}])
def test_canonical_json_refuses_what_would_not_survive(value: dict[str, object]) -> None:
    """Floats, nulls, foreign keys and large integers never get into the tree."""
    with pytest.raises(ValueError, match=r"canonical|ASCII|2\^53"):
        encoding.canonical_json(value)


@given(st.lists(st.tuples(st.binary(min_size=1), st.binary(), st.binary()), max_size=5))
def test_records_come_back_as_written(parts: list[tuple[bytes, bytes, bytes]]) -> None:
    """Encoding and iterating are inverse."""
    body = b"".join(encoding.encode_record(*part) for part in parts)
    found = [(r.leaf, r.ciphertext, r.extra) for r in encoding.iterate_records(body)]
    assert found == parts
    assert list(encoding.iterate_leaves(body)) == [(leaf, extra) for leaf, _, extra in parts]


@given(st.integers(1, 60))
def test_a_cut_body_is_broken_evidence(cut: int) -> None:
    """Lengths that run past the batch are refused, wherever it was cut."""
    body = encoding.encode_record(b"leaf" * 5, b"cipher" * 5, b"extra")
    with pytest.raises(EvidenceBroken):
        list(encoding.iterate_records(body[:-cut]))


def test_an_origin_must_be_plain() -> None:
    """The origin is pasted into every leaf and so may not hold quotes or controls."""
    for bad in ('a"b', "a\\b", "ä", "a\n"):
        with pytest.raises(ValueError, match="origin"):
            encoding.LeafStream.of(boot="00", origin=bad, session_id="0" * 32, target="")
