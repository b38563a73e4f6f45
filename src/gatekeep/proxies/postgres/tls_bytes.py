"""TLS as bytes in and bytes out, over memory: one end of it, from the hand-shake to close_notify.

The event loop's own TLS is not used: it sends no alert when a hand-shake fails, so that nobody
learns why a certificate was refused, and it cannot say the last word and then go on listening.
"""

from __future__ import annotations

import contextlib
import ssl
from dataclasses import dataclass
from typing import Final

_RECORD_BYTES: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class TlsInfo:
    """What was agreed on an encrypted wire. `peer_certificate` is DER, empty if none was sent."""

    version: str
    cipher: str
    alpn: str
    peer_certificate: bytes = b""


class TlsBytes:
    """One end. Whatever a call makes ready to be sent is taken with `outgoing`.

    `agreed` is None until the hand-shake is done; `ended` says that the peer sends no more.
    """

    def __init__(self, context: ssl.SSLContext, *, server_side: bool, name: str | None) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_side, server_hostname=name
        )
        self.agreed: TlsInfo | None = None
        self.ended = False
        self.broken = False

    def outgoing(self) -> bytes:
        """What must be sent now; empty if nothing."""
        return self._outgoing.read() if self._outgoing.pending else b""

    def shake(self, data: bytes = b"") -> bool:
        """Take the peer's part of the hand-shake; whether it is done.

        Raises ssl.SSLError when it fails; `outgoing` then has the alert that says why.
        """
        self._incoming.write(data)
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError:
            self.broken = True
            raise
        cipher = self._object.cipher()
        self.agreed = TlsInfo(
            self._object.version() or "",
            cipher[0] if cipher else "",
            self._object.selected_alpn_protocol() or "",
            self._object.getpeercert(binary_form=True) or b"",
        )
        return True

    def decrypt(self, data: bytes = b"") -> bytes:
        """What the peer's bytes hold, empty while a record is not whole. Raises ssl.SSLError."""
        if data:
            self._incoming.write(data)
        parts: list[bytes] = []
        incoming, plain = self._incoming, self._object
        try:
            # an exception for each "no more" would cost more than looking
            while incoming.pending or plain.pending():
                part = plain.read(_RECORD_BYTES)
                if not part:
                    self.ended = True
                    break
                parts.append(part)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        except ssl.SSLError:
            self.broken = True
            raise
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def encrypt(self, data: bytes) -> bytes:
        """These bytes as records; nothing once TLS is broken or before it is agreed."""
        if self.agreed is None or self.broken:
            return b""
        self._object.write(data)
        return self._outgoing.read()

    def farewell(self) -> bytes:
        """close_notify: no more comes from us. What the peer still sends is not looked at."""
        if self.agreed is not None and not self.broken:
            with contextlib.suppress(ssl.SSLError):
                self._object.unwrap()
        return self.outgoing()
