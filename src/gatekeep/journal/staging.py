"""Files of the archive: written beside their names, made durable together, then named for good.

A whole file is created once and never replaced by other bytes; only files that are named so may
be replaced. What the files hold is decided elsewhere.
"""

from __future__ import annotations

import os
from pathlib import Path

from gatekeep.errors import EvidenceBroken
from gatekeep.journal.spool import sync_directory

_MARK = ".new"
_MODE = 0o640
_MAX_OPEN = 192


def is_unfinished(path: Path) -> bool:
    """Whether this is a file that was not yet given its name (left behind by a crash)."""
    return path.name.startswith(".") and path.name.endswith(_MARK)


class StagedFiles:
    """Files below one directory that become durable, and visible, at `settle`.

    The kernel is asked to begin writing at once, so that the fsyncs at `settle` find little left
    to do and do not hold up the spool's own fdatasync on the same disk.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._base = str(root)
        self._known: set[str] = set()
        self._waiting: list[tuple[int, str, str]] = []
        self._folders: set[Path] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, name: str, content: bytes) -> None:
        """Stage one file. If it is there already it must hold the same bytes.

        Raises EvidenceBroken if it holds others.
        """
        folder, _, last = name.rpartition("/")
        path = f"{self._base}/{name}"
        if os.path.lexists(path):
            if Path(path).read_bytes() != content:
                raise EvidenceBroken(f"{name} holds other bytes than its events", cause=path)
            return
        if folder not in self._known:
            self._make_folder(self._root / folder)
            # partial tiles' folders go again, so only those of whole files are remembered
            if not folder.endswith(".p"):
                self._known.add(folder)
        fresh = f"{self._base}/{folder}/.{last}{_MARK}"
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _MODE)
        self._waiting.append((handle, fresh, path))
        write_all(handle, content)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        if len(self._waiting) >= _MAX_OPEN:
            self.settle()

    def settle(self) -> None:
        """Make every staged file durable under its name. After an error nothing is retried."""
        waiting, self._waiting = self._waiting, []
        try:
            for handle, _, _ in waiting:
                os.fsync(handle)
        finally:
            for handle, _, _ in waiting:
                os.close(handle)
        for _, fresh, path in waiting:
            os.rename(fresh, path)  # noqa: PTH104 - thousands of files: no Path is made for each
            self._folders.add(Path(path).parent)
        folders, self._folders = self._folders, set()
        for folder in folders:
            sync_directory(folder)

    def discard(self) -> None:
        """Close and forget what is staged."""
        for handle, fresh, _ in self._waiting:
            os.close(handle)
            Path(fresh).unlink(missing_ok=True)
        self._waiting = []

    def _make_folder(self, folder: Path) -> None:
        missing: list[Path] = []
        while not folder.is_dir():
            missing.append(folder)
            folder = folder.parent
        for new in reversed(missing):
            new.mkdir(mode=0o750)
            self._folders.add(new.parent)


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file whole and durably: written beside it, fsynced, renamed, directory synced."""
    fresh = path.with_name(f".{path.name}{_MARK}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _MODE)
    try:
        write_all(handle, content)
        os.fsync(handle)
    finally:
        os.close(handle)
    fresh.rename(path)
    sync_directory(path.parent)


def append_durably(path: Path, content: bytes) -> None:
    """Append to a file and fsync it (and its name, when it is new)."""
    new = not path.exists()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, _MODE)
    try:
        write_all(handle, content)
        os.fsync(handle)
    finally:
        os.close(handle)
    if new:
        sync_directory(path.parent)


def write_all(handle: int, content: bytes) -> None:
    """Write every byte. Raises OSError."""
    view = memoryview(content)
    while view:
        written = os.write(handle, view)
        view = view[written:]
