"""The C2SP tlog-tiles layout: names and bytes of tiles, entry bundles and blobs; the growing tree.

No file is written here (see `staging`); hashes are computed by `tree`.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gatekeep.errors import EvidenceBroken
from gatekeep.journal.tree import HASH_BYTES, complete_subtrees, fold, join_subtrees

TILE_WIDTH = 256
TILE_HEIGHT = 8
TILE_BYTES = TILE_WIDTH * HASH_BYTES
_TRIES = 3

_LEAF_LENGTH = struct.Struct(">H")
_BLOB_LENGTHS = struct.Struct(">II")


def number_path(number: int) -> str:
    """`<N>` as the standard writes it: groups of three digits, all but the last led by `x`."""
    text = f"{number % 1000:03d}"
    while number >= 1000:  # noqa: PLR2004 - three digits a group
        number //= 1000
        text = f"x{number % 1000:03d}/{text}"
    return text


def _with_width(path: str, width: int) -> str:
    return path if width == TILE_WIDTH else f"{path}.p/{width}"


def tile_path(level: int, number: int, width: int = TILE_WIDTH) -> str:
    """`tile/<L>/<N>[.p/<W>]`."""
    return _with_width(f"tile/{level}/{number_path(number)}", width)


def bundle_path(number: int, width: int = TILE_WIDTH) -> str:
    """`tile/entries/<N>[.p/<W>]`: the leaves behind level-0 tile `N`."""
    return _with_width(f"tile/entries/{number_path(number)}", width)


def blob_path(number: int) -> str:
    """`blob/<N>`: the sealed payloads of the leaves in bundle `N`; whole ones only."""
    return f"blob/{number_path(number)}"


def encode_bundle(leaves: Iterable[bytes]) -> bytes:
    """An entry bundle: each leaf after its length (u16, big-endian)."""
    pack = _LEAF_LENGTH.pack
    return b"".join([part for leaf in leaves for part in (pack(len(leaf)), leaf)])


def parse_bundle(data: bytes) -> list[bytes]:
    """The leaves of a bundle. Raises EvidenceBroken if lengths and bytes disagree."""
    leaves: list[bytes] = []
    offset, end = 0, len(data)
    while offset + 2 <= end:
        first = offset + 2
        offset = first + (data[offset] << 8 | data[offset + 1])
        leaves.append(data[first:offset])
    if offset != end:
        raise EvidenceBroken("an entry bundle ends inside a leaf")
    return leaves


def parse_blob(data: bytes) -> list[tuple[bytes, bytes]]:
    """(ciphertext, extra) of each event of a blob. Raises EvidenceBroken if it does not add up."""
    parts: list[tuple[bytes, bytes]] = []
    offset, end = 0, len(data)
    unpack, size = _BLOB_LENGTHS.unpack_from, _BLOB_LENGTHS.size
    while offset + size <= end:
        ciphertext_length, extra_length = unpack(data, offset)
        first = offset + size
        second = first + ciphertext_length
        offset = second + extra_length
        parts.append((data[first:second], data[second:offset]))
    if offset != end:
        raise EvidenceBroken("a blob ends inside a payload")
    return parts


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile to be stored: its place, how many hashes it holds (256 when whole), its bytes."""

    level: int
    number: int
    width: int
    content: bytes

    @property
    def path(self) -> str:
        """Where it lies under the log's directory."""
        return tile_path(self.level, self.number, self.width)


def partial_widths(size: int) -> list[tuple[int, int, int]]:
    """(level, number, width) of every tile that is partial in a tree of `size` leaves."""
    found: list[tuple[int, int, int]] = []
    level, count = 0, size
    while count:
        if count % TILE_WIDTH:
            found.append((level, count // TILE_WIDTH, count % TILE_WIDTH))
        level, count = level + 1, count // TILE_WIDTH
    return found


class GrowingTree:
    """The right edge of the tree, kept as the unfinished tile of each level."""

    def __init__(self, size: int = 0, edges: Sequence[Sequence[bytes]] = ()) -> None:
        self.size = size
        self._edges = [list(edge) for edge in edges]

    def extend(self, hashes: Sequence[bytes]) -> list[Tile]:
        """Append leaf hashes; returns the tiles that became whole."""
        whole: list[Tile] = []
        if not self._edges:
            self._edges.append([])
        taken = 0
        while taken < len(hashes):
            edge = self._edges[0]
            part = hashes[taken : taken + TILE_WIDTH - len(edge)]
            edge.extend(part)
            taken += len(part)
            self.size += len(part)
            if len(edge) == TILE_WIDTH:
                self._finish(0, whole)
        return whole

    def _finish(self, level: int, whole: list[Tile]) -> None:
        edge = self._edges[level]
        number = (self.size >> (TILE_HEIGHT * (level + 1))) - 1
        whole.append(Tile(level, number, TILE_WIDTH, b"".join(edge)))
        if len(self._edges) == level + 1:
            self._edges.append([])
        above = self._edges[level + 1]
        above.append(fold(edge))
        edge.clear()
        if len(above) == TILE_WIDTH:
            self._finish(level + 1, whole)

    def partials(self) -> list[Tile]:
        """The unfinished tiles as they stand."""
        return [
            Tile(level, self.size >> (TILE_HEIGHT * (level + 1)), len(edge), b"".join(edge))
            for level, edge in enumerate(self._edges)
            if edge
        ]

    def root(self) -> bytes:
        """Root hash of the tree as it stands."""
        return join_subtrees(self.parts())

    def parts(self) -> list[bytes]:
        """Roots of the complete subtrees that make up the tree, left to right."""
        parts: list[bytes] = []
        for edge in reversed(self._edges):
            first = 0
            while first < len(edge):
                width = 1 << ((len(edge) - first).bit_length() - 1)
                parts.append(fold(edge[first : first + width]))
                first += width
        return parts


class TileReader:
    """Hashes of a tree of `size` leaves, read from its tiles.

    Trusts the tiles: whoever needs certainty compares a root or recomputes from the leaves.
    """

    def __init__(self, log: Path, size: int) -> None:
        self._log = log
        self.size = size
        self._kept: dict[tuple[int, int], bytes] = {}

    def node(self, level: int, index: int) -> bytes:
        """Root of the complete subtree over leaves [index << level, (index + 1) << level)."""
        tile_level, height = divmod(level, TILE_HEIGHT)
        first = index << height
        number, offset = divmod(first, TILE_WIDTH)
        tile = self._tile(tile_level, number)
        hashes = [
            tile[place * HASH_BYTES : (place + 1) * HASH_BYTES]
            for place in range(offset, offset + (1 << height))
        ]
        return fold(hashes)

    def subtree(self, first: int, end: int) -> bytes:
        """MTH(D[first:end]), as `tree.inclusion_path` and `consistency_path` ask for it."""
        return join_subtrees([self.node(*part) for part in complete_subtrees(first, end)])

    def root(self) -> bytes:
        """Root of the whole tree, as the tiles have it."""
        return self.subtree(0, self.size)

    def edges(self) -> list[list[bytes]]:
        """The unfinished tile of each level, for `GrowingTree`."""
        edges: list[list[bytes]] = []
        level, count = 0, self.size
        while count:
            number, width = divmod(count, TILE_WIDTH)
            tile = self._tile(level, number)[: width * HASH_BYTES] if width else b""
            edges.append([tile[i : i + HASH_BYTES] for i in range(0, len(tile), HASH_BYTES)])
            level, count = level + 1, count // TILE_WIDTH
        return edges

    def _tile(self, level: int, number: int) -> bytes:
        known = self._kept.get((level, number))
        if known is not None:
            return known
        width = min(TILE_WIDTH, (self.size >> (TILE_HEIGHT * level)) - number * TILE_WIDTH)
        content = read_at_least(self._log, tile_path(level, number), width)
        if len(content) < width * HASH_BYTES or len(content) % HASH_BYTES:
            raise EvidenceBroken(f"{tile_path(level, number, width)} has a wrong length")
        self._kept[level, number] = content
        return content


def read_at_least(log: Path, whole: str, width: int) -> bytes:
    """A tile or bundle of at least `width` entries: that partial one, the whole, or a later partial.

    A log that grows meanwhile removes partial tiles; what replaced them begins with the same
    bytes. Raises EvidenceBroken if there is none.
    """
    names = [whole] if width == TILE_WIDTH else [f"{whole}.p/{width}", whole]
    for _ in range(_TRIES):
        later = _later_partials(log, whole, width) if width < TILE_WIDTH else []
        for name in [*names, *later]:
            try:
                return (log / name).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                continue  # not there, or replaced since it was listed
    raise EvidenceBroken(f"{names[0]} is missing", cause=str(log))


def _later_partials(log: Path, whole: str, width: int) -> list[str]:
    """Names of partial tiles that hold more than `width` entries, smallest first."""
    try:
        widths = sorted(int(entry) for entry in os.listdir(log / f"{whole}.p") if entry.isdigit())  # noqa: PTH208 - names only
    except FileNotFoundError:
        return []
    return [f"{whole}.p/{candidate}" for candidate in widths if candidate > width]
