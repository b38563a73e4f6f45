"""TLS towards targets: the client's contexts, one for each way of trusting and of being known.

Reads the CA's file; a client's key goes from memory into its context and onto no disk.
"""

from __future__ import annotations

import hashlib
import os
import ssl
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gatekeep.domain.targets import TargetTls

ALPN: Final = "postgresql"

_VERIFYING: Final = frozenset({TargetTls.VERIFY_CA, TargetTls.VERIFY_FULL})
_KEPT: Final = 256


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """PEM texts: a certificate with its chain, and its key."""

    certificate: str
    key: str = field(repr=False)


class ClientContexts:
    """The contexts that were made and still hold: of a CA file that has not changed since."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str, int, bytes], ssl.SSLContext] = OrderedDict()

    def get(
        self, mode: TargetTls, ca: str, shown: ClientCertificate | None = None
    ) -> ssl.SSLContext:
        """The context for a mode, a CA file (empty: the machine's) and a client certificate.

        Raises OSError or ssl.SSLError when a file or a text cannot be used.
        """
        if mode is TargetTls.REQUIRE and ca:
            mode = TargetTls.VERIFY_CA  # as libpq: a named CA is meant to be used
        age = Path(ca).stat().st_mtime_ns if ca else 0
        key = (mode.value, ca, age, _digest(shown))
        context = self._kept.get(key)
        if context is None:
            context = self._kept[key] = _made(mode, ca, shown)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(key)
        return context


def _made(mode: TargetTls, ca: str, shown: ClientCertificate | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols([ALPN])
    context.check_hostname = mode is TargetTls.VERIFY_FULL
    if mode not in _VERIFYING:
        context.verify_mode = ssl.CERT_NONE
    elif ca:
        context.load_verify_locations(ca)
    else:
        context.load_default_certs()
    if shown is not None:
        _load(context, shown)
    return context


def _load(context: ssl.SSLContext, shown: ClientCertificate) -> None:
    """The library reads certificates from files alone: this one is memory and has no name."""
    held = os.memfd_create("client certificate", os.MFD_CLOEXEC)
    with os.fdopen(held, "wb") as file:
        file.write(f"{shown.key}\n{shown.certificate}\n".encode())
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{file.fileno()}", password=_no_pass_phrase)


def _no_pass_phrase() -> str:
    raise ssl.SSLError("the key has a pass phrase")


def _digest(shown: ClientCertificate | None) -> bytes:
    if shown is None:
        return b""
    return hashlib.sha256(f"{shown.key}\0{shown.certificate}".encode()).digest()
