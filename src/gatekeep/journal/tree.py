"""The Merkle tree of RFC 6962 §2.1 (SHA-256): roots, proofs, and their verification. Pure.

Where hashes are stored is the business of `tiles`; what a leaf says, of `encoding`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()

Subtree = Callable[[int, int], bytes]
"""`subtree(first, end)`: MTH(D[first:end]), asked only where `first` is a multiple of the largest
power of two not above the width (so that it can be put together from complete subtrees)."""


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256 of 0x01 and both children (RFC 6962 §2.1)."""
    return sha256(b"\x01" + left + right).digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """Root of the tree over these nodes, in order. The empty tree has the hash of nothing."""
    if not hashes:
        return EMPTY_ROOT
    level = list(hashes)
    while len(level) > 1:
        odd = [level.pop()] if len(level) & 1 else []
        pairs = iter(level)
        level = [
            sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=True)
        ]
        level += odd
    return level[0]


def largest_power_below(count: int) -> int:
    """The largest power of two smaller than `count` (2 or more)."""
    return 1 << ((count - 1).bit_length() - 1)


def complete_subtrees(first: int, end: int) -> list[tuple[int, int]]:
    """(level, index) of the complete subtrees that make up the leaves [first, end), left to right.

    `first` must be aligned to the largest of them.
    """
    parts: list[tuple[int, int]] = []
    while first < end:
        level = (end - first).bit_length() - 1
        if first & ((1 << level) - 1):
            raise ValueError(f"no subtree begins at leaf {first} with this width")
        parts.append((level, first >> level))
        first += 1 << level
    return parts


def join_subtrees(roots: Sequence[bytes]) -> bytes:
    """The root over complete subtrees of falling size, left to right."""
    if not roots:
        return EMPTY_ROOT
    root = roots[-1]
    for left in reversed(roots[:-1]):
        root = node_hash(left, root)
    return root


def inclusion_path(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """PATH(index, D[size]) of RFC 6962 §2.1.1, from the leaf up. Raises ValueError if outside."""
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    first, end = 0, size
    path: list[bytes] = []
    while end - first > 1:
        middle = first + largest_power_below(end - first)
        if index < middle:
            path.append(subtree(middle, end))
            end = middle
        else:
            path.append(subtree(first, middle))
            first = middle
    path.reverse()
    return path


def consistency_path(old: int, size: int, subtree: Subtree) -> list[bytes]:
    """PROOF(old, D[size]) of RFC 6962 §2.1.2; empty for equal sizes and for an empty old tree."""
    if not 0 <= old <= size:
        raise ValueError(f"a tree of {size} was never a tree of {old}")
    if old in (0, size):
        return []
    first, end, whole = 0, size, True
    path: list[bytes] = []
    while old != end - first or not whole:
        if old == end - first:
            path.append(subtree(first, end))
            break
        half = largest_power_below(end - first)
        if old <= half:
            path.append(subtree(first + half, end))
            end = first + half
        else:
            path.append(subtree(first, first + half))
            first, old, whole = first + half, old - half, False
    path.reverse()
    return path


def root_from_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that this path leads to from a leaf hash, or None if its length is wrong.

    RFC 9162 §2.1.3.2.
    """
    if not 0 <= index < size:
        return None
    number, last, root = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return None
        if number & 1 or number == last:
            root = node_hash(sibling, root)
            while number and not number & 1:
                number >>= 1
                last >>= 1
        else:
            root = node_hash(root, sibling)
        number >>= 1
        last >>= 1
    return root if last == 0 else None


def verify_inclusion(
    leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes
) -> bool:
    """Whether the path proves that this leaf hash stands at `index` in the tree of this root."""
    return root_from_inclusion(leaf, index, size, path) == root


def verify_consistency(
    old: int, size: int, path: Sequence[bytes], old_root: bytes, root: bytes
) -> bool:
    """Whether the tree of `size` extends the tree of `old` (RFC 9162 §2.1.4.2)."""
    if not 0 <= old <= size:
        return False
    if old == size:
        return not path and old_root == root
    if old == 0:
        return not path and old_root == EMPTY_ROOT
    waiting = list(path) if old & (old - 1) else [old_root, *path]
    if not waiting:
        return False
    number, last = old - 1, size - 1
    while number & 1:
        number >>= 1
        last >>= 1
    older = newer = waiting[0]
    for sibling in waiting[1:]:
        if last == 0:
            return False
        if number & 1 or number == last:
            older, newer = node_hash(sibling, older), node_hash(sibling, newer)
            while number and not number & 1:
                number >>= 1
                last >>= 1
        else:
            newer = node_hash(newer, sibling)
        number >>= 1
        last >>= 1
    return last == 0 and older == old_root and newer == root
