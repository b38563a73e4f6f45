"""Messages of the agent protocol and what they ask to sign, written out by hand."""

from __future__ import annotations

import hashlib
import struct

HOSTBOUND = "publickey-hostbound-v00@openssh.com"
SESSION_ID = bytes(range(32))
FAILED = b"\x00\x00\x00\x01\x05"
LIST = b"\x00\x00\x00\x01\x0b"
KEY = b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20" + b"k" * 32
HOST = b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20" + b"h" * 32


def string(raw: bytes | str) -> bytes:
    """A length and as many bytes."""
    raw = raw.encode() if isinstance(raw, str) else raw
    return struct.pack(">I", len(raw)) + raw


def message(kind: int, body: bytes = b"") -> bytes:
    """One whole message."""
    return string(bytes([kind]) + body)


def sign_request(key: bytes, data: bytes, flags: int = 0) -> bytes:
    """SSH_AGENTC_SIGN_REQUEST."""
    return message(13, string(key) + string(data) + struct.pack(">I", flags))


def sign_in(
    key: bytes,
    host_key: bytes = b"",
    *,
    method: str = "",
    login: str = "deploy",
    session_id: bytes = SESSION_ID,
    service: str = "ssh-connection",
    algorithm: str = "ssh-ed25519",
) -> bytes:
    """What a client signs to sign in: host-bound where there is a host key."""
    method = method or (HOSTBOUND if host_key else "publickey")
    body = string(session_id) + b"\x32" + string(login) + string(service) + string(method)
    body += b"\x01" + string(algorithm) + string(key)
    return body + (string(host_key) if host_key else b"")


def signed_text(namespace: str = "file", text: bytes = b"text", algorithm: str = "sha512") -> bytes:
    """What `ssh-keygen -Y sign` has signed."""
    digest = hashlib.new(algorithm, text).digest()
    return b"SSHSIG" + b"".join(map(string, (namespace, b"", algorithm, digest)))
