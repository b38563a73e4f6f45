"""RFC 6962 trees: roots and proofs, against the recursive definition and another implementation."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from gatekeep.journal.encoding import leaf_hash
from gatekeep.journal.tiles import GrowingTree, TileReader
from gatekeep.journal.tree import (
    EMPTY_ROOT,
    complete_subtrees,
    consistency_path,
    fold,
    inclusion_path,
    join_subtrees,
    largest_power_below,
    node_hash,
    verify_consistency,
    verify_inclusion,
)

HASHES = [sha256(str(number).encode()).digest() for number in range(3000)]


def recursive_root(hashes: list[bytes]) -> bytes:
    """MTH as RFC 6962 §2.1 defines it."""
    if not hashes:
        return EMPTY_ROOT
    if len(hashes) == 1:
        return hashes[0]
    half = largest_power_below(len(hashes))
    return node_hash(recursive_root(hashes[:half]), recursive_root(hashes[half:]))


def subtree(first: int, end: int) -> bytes:
    """Subtrees of HASHES."""
    parts = complete_subtrees(first, end)
    return join_subtrees([fold(HASHES[i << level : (i + 1) << level]) for level, i in parts])


@given(size=st.integers(0, 700))
def test_the_root_is_the_one_the_standard_defines(size: int) -> None:
    """Folding level by level, and growing tile by tile, give the recursive definition's root."""
    expected = recursive_root(HASHES[:size])
    tree = GrowingTree()
    tree.extend(HASHES[:size])
    assert fold(HASHES[:size]) == expected
    assert tree.root() == expected


def test_another_implementation_gives_the_same_root() -> None:
    """The root of pymerkle over the same leaves equals ours at every size up to 70."""
    other = InmemoryTree(algorithm="sha256")
    hashes = []
    for number in range(70):
        leaf = b"leaf %d" % number
        other.append_entry(leaf)
        hashes.append(leaf_hash(leaf))
        assert other.get_root() == fold(hashes)


@given(st.data())
def test_every_inclusion_proof_holds_and_no_altered_one_does(data: st.DataObject) -> None:
    """A path proves its leaf at its index, and nothing once index, leaf, path or root change."""
    size = data.draw(st.integers(1, 3000))
    index = data.draw(st.integers(0, size - 1))
    root = subtree(0, size)
    path = inclusion_path(index, size, subtree)
    assert len(path) <= size.bit_length()
    assert verify_inclusion(HASHES[index], index, size, path, root)
    assert not verify_inclusion(bytes(32), index, size, path, root)
    assert not verify_inclusion(HASHES[index], index, size, path, bytes(32))
    assert not verify_inclusion(HASHES[index], index, size, [*path, bytes(32)], root)
    assert not verify_inclusion(HASHES[index], size, size, path, root)
    if path:
        assert not verify_inclusion(HASHES[index], index, size, path[:-1], root)
        spot = data.draw(st.integers(0, len(path) - 1))
        altered = [*path[:spot], bytes(32), *path[spot + 1 :]]
        assert not verify_inclusion(HASHES[index], index, size, altered, root)


@given(st.data())
def test_every_consistency_proof_holds_and_no_altered_one_does(data: st.DataObject) -> None:
    """A path proves that the later tree extends the earlier one, and nothing once altered."""
    size = data.draw(st.integers(1, 3000))
    old = data.draw(st.integers(0, size))
    root, old_root = subtree(0, size), subtree(0, old)
    path = consistency_path(old, size, subtree)
    assert verify_consistency(old, size, path, old_root, root)
    if 0 < old < size:
        assert not verify_consistency(old, size, path, bytes(32), root)
        assert not verify_consistency(old, size, path, old_root, bytes(32))
        assert not verify_consistency(old, size, path[:-1], old_root, root)
        assert not verify_consistency(old, size, [*path, bytes(32)], old_root, root)


def test_proofs_outside_the_tree_are_refused() -> None:
    """Asking for a leaf or an earlier tree that never was is an error, not a wrong proof."""
    with pytest.raises(ValueError, match="no leaf 5"):
        inclusion_path(5, 5, subtree)
    with pytest.raises(ValueError, match="never a tree of 6"):
        consistency_path(6, 5, subtree)


@pytest.mark.parametrize("size", [1, 255, 256, 257, 600, 65_536 + 700])
def test_tiles_give_back_the_tree(tmp_path: Path, size: int) -> None:
    """From the tiles of a tree alone come its root, its proofs and its right edge."""
    hashes = [sha256(b"%d" % number).digest() for number in range(size)]
    tree = GrowingTree()
    for tile in [*tree.extend(hashes), *tree.partials()]:
        path = tmp_path / tile.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(tile.content)
    reader = TileReader(tmp_path, size)
    assert reader.root() == tree.root() == fold(hashes)
    for index in {0, size // 2, size - 1}:
        proof = inclusion_path(index, size, reader.subtree)
        assert verify_inclusion(hashes[index], index, size, proof, tree.root())
    again = GrowingTree(size, reader.edges())
    more = [sha256(b"more %d" % number).digest() for number in range(300)]
    again.extend(more)
    tree.extend(more)
    assert again.root() == tree.root()
