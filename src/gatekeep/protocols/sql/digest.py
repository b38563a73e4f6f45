"""Digests of statement texts that events hold in place of the text. Nothing else.

A text that may hold a password is digested slowly, because whoever reads the digest could guess
the password at the speed of the hash; everything else by plain SHA-256.
"""

from __future__ import annotations

import hashlib
import re

_ROUNDS = 5_000
_SALT = b"gatekeep statement digest 1"
_SECRETISH = re.compile(
    r"passw|passphrase|secret|pgpass|credential|api_?key|private_?key|://[^/\s@]*:[^/\s@]*@"
    r"|pgp_sym|pgp_pub|\bcrypt\s*\(|\bhmac\s*\(|\bencrypt\w*\s*\(|\bdecrypt\w*\s*\("
    r"|user\s+mapping|dblink|\bconnection\b",
    re.IGNORECASE,
)


def looks_secret(text: str) -> bool:
    """Whether a word in this text says that literals near it may be secrets."""
    return _SECRETISH.search(text) is not None


def digest(text: str) -> str:
    """64 hex digits that stand for exactly this text."""
    data = text.encode("utf-8", "surrogatepass")
    if looks_secret(text):
        return hashlib.pbkdf2_hmac("sha256", data, _SALT, _ROUNDS).hex()
    return hashlib.sha256(data).hexdigest()
