"""One-time codes for the demo's people, who have no authenticator at hand."""

from __future__ import annotations

import base64
import secrets
from pathlib import Path
from typing import Final

from gatekeep.errors import SettingsError
from gatekeep.identity.totp import STEP_S, code_at, decoded_secret
from gatekeep.runtime.clock import SystemClock

_SECRET_BYTES: Final = 20
_US: Final = 1_000_000


def new_secret() -> str:
    """A secret as authenticator apps take it: base32 without padding (RFC 6238, 160 bits)."""
    return base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode().rstrip("=")


def current_code(secret_file: Path) -> str:
    """The code of this moment. Raises SettingsError where the file holds no secret."""
    return code_of(secret_file, SystemClock().wall_us())


def code_of(secret_file: Path, at_us: int) -> str:
    """The code of that moment, microseconds UTC. Raises as `current_code` does."""
    text = secret_file.read_text() if secret_file.exists() else ""
    secret = decoded_secret(text.strip())
    if secret is None:
        raise SettingsError(
            "there is no secret of one-time codes",
            file=str(secret_file),
            fix="start the demo first; an older one must be removed",
        )
    return code_at(secret, at_us // _US // STEP_S)
