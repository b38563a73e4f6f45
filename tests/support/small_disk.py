"""Disks of their own for a state directory: small ones, and such that fail. Only root may mount.

Without the right the story is skipped and says why; where CI runs it as root that is a failure.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

_CHUNK = 64 * 1024
_SHUT_DOWN = 0x8004587D  # FS_IOC_SHUTDOWN, include/uapi/linux/fs.h
_WITHOUT_FLUSH = 2


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
        """Nothing can be written any more; no file may be open for writing."""
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


class BlockDevice:
    """A mounted file system of its own on a loop device, that can be made to fail for ever."""

    def __init__(self, path: Path, image: Path) -> None:
        self.path = path
        self._image = image

    def fail(self) -> None:
        """From now on every write and sync answers EIO; what was not synced is forgotten."""
        handle = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, _SHUT_DOWN, struct.pack("I", _WITHOUT_FLUSH))
        finally:
            os.close(handle)

    def mend(self) -> None:
        """Mount it anew, as after a loss of power."""
        subprocess.run(["umount", str(self.path)], check=True, capture_output=True)
        _mount("-o", "loop", str(self._image), str(self.path))


@contextlib.contextmanager
def block_device(path: Path, mib: int) -> Iterator[BlockDevice]:
    """Make and mount an ext4 of `mib` MiB at `path`; skips with its reason where that cannot be."""
    if os.geteuid() != 0:
        pytest.skip("a disk that fails needs root: it is a loop device")
    image = path.with_name(f"{path.name}.img")
    path.mkdir(parents=True)
    with image.open("wb") as file:
        file.truncate(mib << 20)
    try:
        subprocess.run(["mkfs.ext4", "-q", str(image)], check=True, capture_output=True)
        _mount("-o", "loop", str(image), str(path))
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        pytest.skip(f"this machine makes no ext4 on a loop device: {error}")
    try:
        yield BlockDevice(path, image)
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True, capture_output=True)
        image.unlink()
