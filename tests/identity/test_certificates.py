"""Certificates as texts: pairs, ends, and keys that others may read."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from support.certificates import Authority

from gatekeep.errors import SettingsError
from gatekeep.identity.certificates import certificates_of, demand_pair, ends_at, exposed_key


def test_the_first_end_of_a_chain_counts(tmp_path: Path) -> None:
    """What stands behind a certificate may end before it does."""
    day = dt.timedelta(days=1)
    early, late = (
        Authority(tmp_path, name, lives=(-day, lives)).certificate.read_text()
        for name, lives in (("early", 3 * day), ("late", 30 * day))
    )
    chain = late + early
    assert len(certificates_of(chain)) == 2
    assert ends_at(chain) == ends_at(early) != ends_at(late)
    assert ends_at("no certificate") is None


def test_a_pair_fits_whatever_the_kind_of_key(tmp_path: Path) -> None:
    """Elliptic curves of both kinds; and the chain may follow."""
    authority = Authority(tmp_path)
    for edwards in (False, True):
        files = authority.issue("app", edwards=edwards)
        chain = files.certificate.read_text() + authority.certificate.read_text()
        demand_pair(chain, files.key.read_text(), file="f", place="p")


def test_a_key_with_a_pass_phrase_is_no_key(tmp_path: Path) -> None:
    """Nobody is there to type it."""
    files = Authority(tmp_path).issue("app")
    key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"phrase"),
    ).decode()  # fmt: skip
    with pytest.raises(SettingsError, match="no key that can be read") as caught:
        demand_pair(files.certificate.read_text(), locked, file="f", place="p")
    assert caught.value.key == "p.key"


@pytest.mark.parametrize(
    ("mode", "exposed"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True)]
)
def test_a_key_is_its_owners_alone(tmp_path: Path, mode: int, exposed: bool) -> None:
    """As for libpq; what is no file has no mode."""
    file = tmp_path / "key"
    file.write_text("k")
    file.chmod(mode)
    assert exposed_key(f"file:{file}") == (str(file) if exposed else "")
    assert exposed_key("env:KEY") == exposed_key(f"file:{tmp_path}/none") == ""


def test_a_key_of_root_may_be_read_by_its_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that one key serves several programs that do not own it."""
    if os.geteuid():
        pytest.skip("only root can make a file of root's")
    file = tmp_path / "key"
    file.write_text("k")
    file.chmod(0o640)
    monkeypatch.setattr("gatekeep.identity.certificates.os.geteuid", lambda: 1000)
    assert exposed_key(f"file:{file}") == ""
    file.chmod(0o660)
    assert exposed_key(f"file:{file}") == str(file)
