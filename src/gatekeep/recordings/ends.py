"""What is kept of output that is not recorded whole: size, SHA-256, the first and last 64 KiB.

Pure; when its event is written is the channel's business.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from gatekeep.errors import EvidenceBroken
from gatekeep.recordings.chunks import ENDS

END_BYTES: Final = 64 * 1024
STREAMS: Final = ("stdout", "stderr")


class StreamEnds:
    """One stream of bytes: how many, their hash, and both ends, which never overlap."""

    def __init__(self) -> None:
        self.size = 0
        self._hash = hashlib.sha256()
        self._first = bytearray()
        self._last = bytearray()

    def add(self, data: bytes) -> None:
        """More bytes of the stream."""
        self.size += len(data)
        self._hash.update(data)
        room = END_BYTES - len(self._first)
        if room > 0:
            self._first += data[:room]
            data = data[room:]
        self._last += data[-END_BYTES:]
        if len(self._last) > END_BYTES:
            del self._last[:-END_BYTES]

    def facts(self) -> dict[str, Any]:
        """As the event holds it."""
        return {
            "first": base64.b64encode(self._first).decode(),
            "last": base64.b64encode(self._last).decode(),
            "sha256": self._hash.hexdigest(),
            "size": self.size,
        }


class OutputEnds:
    """Both outputs of a channel that is not recorded whole."""

    def __init__(self, channel: int) -> None:
        self._channel = channel
        self._stdout = StreamEnds()
        self._stderr = StreamEnds()

    def output(self, data: bytes) -> None:
        """Bytes of standard output."""
        self._stdout.add(data)

    def errors(self, data: bytes) -> None:
        """Bytes of standard error."""
        self._stderr.add(data)

    def payload(self) -> bytes:
        """The payload of the channel's one `recording.chunk` event."""
        return orjson.dumps(
            {
                "channel": self._channel,
                "codec": ENDS,
                "final": True,
                "seq": 0,
                "stderr": self._stderr.facts(),
                "stdout": self._stdout.facts(),
            },
            option=orjson.OPT_SORT_KEYS,
        )


@dataclass(frozen=True, slots=True)
class KeptEnds:
    """One stream as read back. What lies between `first` and `last` was not kept."""

    size: int
    sha256: str
    first: bytes
    last: bytes

    @property
    def left_out(self) -> int:
        """How many bytes between the two ends were not kept."""
        return self.size - len(self.first) - len(self.last)


def decode_ends(payload: Mapping[str, Any]) -> dict[str, KeptEnds]:
    """Both streams of an `ends` payload. Raises EvidenceBroken if they do not fit together."""
    if payload.get("codec") != ENDS:
        raise EvidenceBroken("not the ends of an output")
    try:
        kept = {name: _kept(payload[name]) for name in STREAMS}
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise EvidenceBroken("the ends of an output are not whole", cause=repr(error)) from error
    for ends in kept.values():
        whole = hashlib.sha256(ends.first + ends.last).hexdigest()
        if ends.left_out < 0 or (ends.left_out == 0 and whole != ends.sha256):
            raise EvidenceBroken("the ends of an output are not those that were hashed")
    return kept


def _kept(facts: Mapping[str, Any]) -> KeptEnds:
    return KeptEnds(
        int(facts["size"]),
        str(facts["sha256"]),
        base64.b64decode(facts["first"], validate=True),
        base64.b64decode(facts["last"], validate=True),
    )
