"""Host keys that were believed at their first use: one file, read anew each time, written whole.

Implements gate.ports.HostkeyPins. Whether a first use may be believed is asked elsewhere.
"""

from __future__ import annotations

import base64
import binascii
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gatekeep.errors import SettingsError

FILE_NAME: Final = "ssh_host_keys"
_HEADING: Final = (
    "# Host keys of SSH targets, as first seen: host:port key. Taking a line away makes the next\n"
    "# connection believe whoever answers.\n"
)


class HostkeyFile:
    """The pins in `path`. A line that cannot be read stops everything: it may be a pin."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing = threading.Lock()

    def pinned(self, names: Sequence[str]) -> frozenset[bytes]:
        """The keys that any of these names is pinned to. Raises SettingsError."""
        pins = self._read()
        return frozenset(pins[name] for name in names if name in pins)

    def pin(self, names: Sequence[str], key: bytes) -> None:
        """Pin these names; what is pinned already stays. Raises SettingsError."""
        with self._writing:
            self._pin(names, key)

    def _pin(self, names: Sequence[str], key: bytes) -> None:
        pins = self._read()
        for name in names:
            pins.setdefault(name, key)
        lines = [f"{name} {base64.b64encode(held).decode('ascii')}" for name, held in pins.items()]
        beside = self._path.with_name(f"{self._path.name}.new")
        try:
            beside.unlink(missing_ok=True)
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as stream:
                stream.write(_HEADING + "".join(f"{line}\n" for line in lines))
                stream.flush()
                os.fsync(stream.fileno())
            beside.rename(self._path)
            folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise self._fault(f"cannot be written ({error.strerror})") from error

    def _read(self) -> dict[str, bytes]:
        try:
            text = self._path.read_text("utf-8")
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError) as error:
            raise self._fault("cannot be read") from error
        pins: dict[str, bytes] = {}
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            try:
                name, encoded = line.split()
                pins[name] = base64.b64decode(encoded, validate=True)
            except (ValueError, binascii.Error):
                raise self._fault(f"line {number} is no host:port and key") from None
        return pins

    def _fault(self, what: str) -> SettingsError:
        fix = "restore it from its backup, or take the damaged line away"
        return SettingsError(f"host keys: {what}", file=str(self._path), fix=fix)
