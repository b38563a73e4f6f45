"""Registered keys: read strictly, one person each, swapped all at once."""

from __future__ import annotations

from pathlib import Path

import asyncssh
import pytest
from support.clock import MovedClock

from gatekeep.documents import everything
from gatekeep.errors import SettingsError
from gatekeep.identity.principals import PrincipalEntry, principals_of
from gatekeep.identity.secrets import SecretReader
from gatekeep.identity.ssh_proofs import SshProofBook
from gatekeep.identity.ssh_public_keys import (
    key_fingerprint,
    public_key_bytes,
    read_authorities,
)


def line(kind: str = "ssh-ed25519", **options: int) -> str:
    """A new public key as in a .pub file."""
    key = asyncssh.generate_private_key(kind, **options)
    return key.export_public_key().decode().strip() + " alice@laptop"


def entries(**keys: list[str]) -> tuple[PrincipalEntry, ...]:
    """Principals with these keys."""
    items = [{"name": name, "keys": lines} for name, lines in keys.items()]
    return principals_of({"principals": items}, "principals.yaml")


def book(*found: PrincipalEntry) -> SshProofBook:
    """Their proofs."""
    return SshProofBook(found, SecretReader({}), MovedClock())


def test_a_key_is_its_principals_alone() -> None:
    """Each registered key counts for its own name and no other, nor does an unknown one."""
    first, second = line(), line("ecdsa-sha2-nistp256")
    proofs = book(*entries(alice=[first, second], bob=[]))
    for text in (first, second):
        assert proofs.known_key("alice", public_key_bytes(text))
        assert not proofs.known_key("bob", public_key_bytes(text))
        assert not proofs.known_key("mallory", public_key_bytes(text))
    assert not proofs.known_key("alice", public_key_bytes(line()))


@pytest.mark.parametrize(
    "text",
    ["", "ssh-ed25519", "ssh-ed25519 AAAA a", "ssh-dss AAAAB3NzaC1kc3M= x", "command=ls ssh-ed25519 A",
     "ssh-ed25519 !!!!", "-----BEGIN OPENSSH PRIVATE KEY-----",
     "cert-authority ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA"],
)  # fmt: skip
def test_what_is_no_key_line_is_refused(text: str) -> None:
    """Options, certificates, private keys and damaged lines are errors that do not repeat them."""
    with pytest.raises(SettingsError) as caught:
        public_key_bytes(text, file="principals.yaml", key="principals[0].keys[0]")
    assert caught.value.fix
    assert not text or text not in str(caught.value)


def test_kinds_must_agree_and_rsa_be_long() -> None:
    """A line whose type is not that of its bytes is refused, and so is a short RSA key."""
    bits = line("ssh-rsa", key_size=2048)
    assert public_key_bytes(bits)[:11] == b"\0\0\0\7ssh-rsa"
    with pytest.raises(SettingsError, match="less than 2048"):
        public_key_bytes(line("ssh-rsa", key_size=1024))
    with pytest.raises(SettingsError):
        public_key_bytes("ssh-rsa " + line().split()[1])


def test_two_persons_cannot_share_a_key() -> None:
    """Who signs in must be told apart; two principals of one person may share one."""
    shared = line()
    with pytest.raises(SettingsError, match="also a key of alice"):
        book(*entries(alice=[shared], bob=[shared]))
    same = principals_of(
        {
            "principals": [
                {"name": "alice", "keys": [shared]},
                {"name": "alice.admin", "person": "alice", "keys": [shared]},
            ]
        },
        "principals.yaml",
    )
    assert book(*same).known_key("alice.admin", public_key_bytes(shared))


def test_a_reload_is_all_or_nothing() -> None:
    """A fault leaves what was; a good file replaces everything, and takes keys away."""
    first = line()
    proofs = book(*entries(alice=[first]))
    bad = entries(alice=["nonsense"], bob=["more nonsense"])
    for attempt in (proofs.check, proofs.reload):
        with pytest.raises(SettingsError) as caught:
            attempt(bad)
        assert len(everything(caught.value)) == 2
    assert proofs.known_key("alice", public_key_bytes(first))
    proofs.reload(entries(alice=[]))
    assert not proofs.known_key("alice", public_key_bytes(first))
    assert not proofs.needs_code("alice")
    assert not proofs.accept_code("alice", "123456")


def test_fingerprints_are_those_of_openssh() -> None:
    """`SHA256:` and unpadded base64, as asyncssh and ssh-keygen give it."""
    text = line()
    assert key_fingerprint(public_key_bytes(text)) == asyncssh.import_public_key(text).get_fingerprint()


def test_authorities_are_read_from_a_file(tmp_path: Path) -> None:
    """One CA a line, remarks aside; a file without any, or with a line that is none, is an error."""
    assert read_authorities(None) == ()
    file = tmp_path / "user_ca"
    first, second = line(), line("ecdsa-sha2-nistp384")
    file.write_text(f"# ours\n{first}\n\n{second}\n")
    bare = tuple(" ".join(text.split()[:2]) for text in (first, second))
    assert read_authorities(file) == bare
    for text, what in (("# none\n", "holds no CA"), ("cert-authority x\n", "line 1"), (None, "read")):
        if text is None:
            file.unlink()
        else:
            file.write_text(text)
        with pytest.raises(SettingsError, match=what):
            read_authorities(file)
