"""Names in sftp: as written, as normalised, and as the target's REALPATH says; and which are shown.

An operation is judged by all of these (12-threats H9). Between question and effect somebody with
an account of the target can still move links: names are not inodes.
"""

from __future__ import annotations

import posixpath
import unicodedata
from typing import Final, NamedTuple

_C1: Final = frozenset(range(0x80, 0xA0))
_CONTROLS: Final = frozenset(range(0x20)) | {0x7F}


class Probe(NamedTuple):
    """A REALPATH of ours: `path` is asked for, `last` is joined to the answer (None: nothing)."""

    path: bytes
    last: bytes | None


class Name:
    """One path of an operation.

    `follows` is true where the operation goes through a link that the last component may
    be, as a slash behind it does everywhere.
    `base` is the directory that a relative path counts from, where it is not the home.
    `asks` is false where the target's opinion is not wanted: it is what the operation asks for.
    """

    __slots__ = ("_doubtful", "_found", "asks", "base", "follows", "written")

    def __init__(
        self, written: bytes, *, follows: bool, asks: bool = True, base: bytes | None = None
    ) -> None:
        self.written = written
        self.follows = follows or written.endswith(b"/")
        self.asks = asks
        self.base = base
        self._found: set[bytes] = set()
        self._doubtful = False

    @property
    def asked(self) -> bytes:
        """The path in the words of a REALPATH: relative to the home where it is relative."""
        return self.written if self.base is None else posixpath.join(self.base, self.written)

    def probes(self) -> list[Probe]:
        """What to ask the target."""
        if not self.asks:
            return []
        path = self.asked.rstrip(b"/") or (b"/" if self.asked else b".")
        parent, last = posixpath.split(path)
        found = [Probe(parent or b".", last)]
        if self.follows:
            found.append(Probe(path, None))
        return found

    def answered(self, probe: Probe, real: bytes) -> None:
        """The target says that `probe.path` is `real`."""
        if not real.startswith(b"/"):
            self._doubtful = True
        self._found.add(normalised(posixpath.join(real, probe.last or b"")))

    def unanswered(self, *, missing: bool) -> None:
        """The target does not say: there is no such thing (`missing`), or for another reason."""
        self._doubtful |= not missing

    def lexical(self, home: bytes) -> bytes:
        """Normalised without asking anybody."""
        return normalised(posixpath.join(home, self.asked))

    def paths(self, home: bytes) -> frozenset[str]:
        """All that it may mean, as text."""
        return frozenset(
            shown(path) for path in {self.written, self.lexical(home), *self._found} if path
        )

    def complete(self, home: bytes) -> bool:
        """Whether `paths` holds all that is known of it, byte by byte."""
        known = not self._doubtful and self.lexical(home).startswith(b"/")
        return known and all(is_text(path) for path in (self.written, *self._found))


def normalised(path: bytes) -> bytes:
    """Without `.`, `..`, and empty components; lexically."""
    clean = posixpath.normpath(path)
    return clean[1:] if clean.startswith(b"//") else clean


def shown(path: bytes) -> str:
    """A path as text; bytes that are no UTF-8 as escapes."""
    return path.decode("utf-8", "backslashreplace")


def is_text(path: bytes) -> bool:
    """Whether a path can be shown without escapes."""
    try:
        path.decode()
    except UnicodeDecodeError:
        return False
    return True


def has_controls(name: bytes) -> bool:
    """Whether a name holds C0 or C1 controls, DEL, or anything that some terminal takes for one."""
    try:
        text = name.decode()
    except UnicodeDecodeError:
        return not (_CONTROLS | _C1).isdisjoint(name)
    return any(unicodedata.category(character) == "Cc" for character in text)


def is_entry(name: bytes) -> bool:
    """Whether a target may call an entry of a directory so: one component, nothing that acts."""
    return bool(name) and b"/" not in name and not has_controls(name)


def without_controls(text: bytes) -> bytes:
    """Free text of the target, for a terminal: a question mark where a control was."""
    try:
        decoded = text.decode()
    except UnicodeDecodeError:
        return bytes(63 if byte in _CONTROLS or byte in _C1 else byte for byte in text)
    return "".join("?" if unicodedata.category(c) == "Cc" else c for c in decoded).encode()
