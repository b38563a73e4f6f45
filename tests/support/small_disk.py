"""A small disk of its own for a state directory: a tmpfs, which only root may mount.

Without the right the story is skipped and says why; where CI runs it as root that is a failure.
"""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

_CHUNK = 64 * 1024


class SmallDisk:
    """A mounted tmpfs. `fill` leaves no room, `free` gives it back."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"

    def fill(self) -> None:
        """Write until there is no room; what others give back later is taken as well."""
        with self._filler.open("ab", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(_CHUNK))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def free(self) -> None:
        """Give the room back."""
        self._filler.unlink(missing_ok=True)

    def make_read_only(self) -> None:
        """Nothing can be written any more. False if open files are in the way."""
        _mount("-o", "remount,ro", str(self.path))

    def make_writable(self) -> None:
        """Writing works again."""
        _mount("-o", "remount,rw", str(self.path))


@contextlib.contextmanager
def small_disk(path: Path, mib: int) -> Iterator[SmallDisk]:
    """Mount a tmpfs of `mib` MiB at `path`, and take it away at the end."""
    path.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        pytest.skip("a small disk needs root: it is a tmpfs of its own")
    try:
        _mount("-t", "tmpfs", "-o", f"size={mib}m,mode=700", "gk-small-disk", str(path))
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        why = f"this machine mounts no tmpfs, root or not: {error}"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True, capture_output=True)


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True, text=True)
