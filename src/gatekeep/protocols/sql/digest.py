"""Digests of statement texts that events hold in place of the text. Nothing else.

A text that may hold a password is digested slowly, because whoever reads the digest could guess
the password at the speed of the hash; everything else by plain SHA-256.
"""

from __future__ import annotations

import hashlib
import re

_ROUNDS = 500  # 0.1 ms: one text may hold hundreds of such statements
_SALT = b"gatekeep statement digest 1"
_LONG = 16_384
# Substrings of the lower-cased text: a search for each is far faster than one expression for all.
_WORDS = (
    "passw",
    "passphrase",
    "pgpass",
    "secret",
    "credential",
    "apikey",
    "api_key",
    "privatekey",
    "private_key",
    "pgp_",
    "crypt",
    "hmac",
    "mapping",
    "dblink",
    "connection",
)
_ADDRESS = re.compile(r"://[^/\s@]*:[^/\s@]*@")


def looks_secret(text: str) -> bool:
    """Whether a word in this text says that literals near it may be secrets."""
    lowered = text.lower()
    if any(word in lowered for word in _WORDS):
        return True
    return "://" in lowered and _ADDRESS.search(lowered) is not None


def digest(text: str) -> str:
    """64 hex digits that stand for exactly this text."""
    data = text.encode("utf-8", "surrogatepass")
    if len(data) > _LONG or looks_secret(text):
        return hashlib.pbkdf2_hmac("sha256", data, _SALT, _ROUNDS).hex()
    return hashlib.sha256(data).hexdigest()
