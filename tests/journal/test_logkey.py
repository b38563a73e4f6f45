"""The log's key: made once, public form as C2SP says, bound to its origin."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gatekeep.errors import SettingsError
from gatekeep.journal.logkey import ensure_log_key, load_log_key

_ORIGIN = "example.com/gatekeep/one"


def test_the_vkey_belongs_to_the_private_key(tmp_path: Path) -> None:
    """name+hash+base64, where the hash is over name and typed key; a second call changes nothing."""
    vkey = ensure_log_key(tmp_path / "k", _ORIGIN)
    assert ensure_log_key(tmp_path / "k", _ORIGIN) == vkey
    name, key_id, encoded = vkey.split("+", 2)
    typed = base64.b64decode(encoded)
    public = load_log_key(tmp_path / "k").public_key()
    assert typed == b"\x01" + public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    assert name == _ORIGIN
    assert key_id == hashlib.sha256(name.encode() + b"\n" + typed).hexdigest()[:8]
    assert (tmp_path / "k" / "log.key").stat().st_mode & 0o777 == 0o600


def test_a_lost_vkey_is_made_again(tmp_path: Path) -> None:
    """It follows from the private key, so a start that was cut between the two goes on."""
    vkey = ensure_log_key(tmp_path / "k", _ORIGIN)
    (tmp_path / "k" / "log.vkey").unlink()
    assert ensure_log_key(tmp_path / "k", _ORIGIN) == vkey


def test_a_key_of_another_log_is_refused(tmp_path: Path) -> None:
    """Two origins never share a key."""
    ensure_log_key(tmp_path / "k", _ORIGIN)
    with pytest.raises(SettingsError, match="belongs to the log"):
        ensure_log_key(tmp_path / "k", "example.com/gatekeep/two")


def test_a_key_that_is_none_is_refused(tmp_path: Path) -> None:
    """Nonsense in log.key is one readable error."""
    ensure_log_key(tmp_path / "k", _ORIGIN)
    (tmp_path / "k" / "log.key").write_text("nonsense")
    with pytest.raises(SettingsError, match="not a private key"):
        load_log_key(tmp_path / "k")
