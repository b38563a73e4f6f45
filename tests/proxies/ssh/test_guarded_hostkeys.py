"""Hosts that no forwarded agent signs in to: the gateway and its targets, however they are known."""

from __future__ import annotations

from pathlib import Path

import asyncssh
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import target
from support.ssh_door import keygen, new_key, public_line

from gatekeep.domain.targets import SshWay, Target, TargetKind
from gatekeep.identity.hostkeys import HostkeyFile
from gatekeep.proxies.ssh.agent_seams import keys_within
from gatekeep.proxies.ssh.guarded_hostkeys import OWN, TARGET, UNKNOWN, UNREADABLE, GuardedHostkeys
from gatekeep.proxies.ssh.seams import hostkey_fingerprint


class Book:
    """Some targets."""

    def __init__(self, *ways: SshWay) -> None:
        self._targets = [
            Target(f"web-{number}", TargetKind.SSH, "Web.Example.", 22, ssh=way)
            for number, way in enumerate(ways)
        ]

    def target(self, name: str) -> Target | None:
        """None by name."""
        return None

    def targets(self) -> list[Target]:
        """All of them, and one that has no host key."""
        return [target(), *self._targets]

    def secret(self, reference: str) -> str:
        """None is needed."""
        raise AssertionError(reference)


def key(folder: Path, name: str, kind: str = "ed25519") -> tuple[str, bytes]:
    """A host key: its line and its wire form."""
    line = public_line(new_key(folder, name, kind))
    return line, asyncssh.import_public_key(line).public_data


def certificate(folder: Path, name: str, authority: str) -> bytes:
    """A certificate of that host key by that CA: its wire form."""
    keygen("-s", folder / authority, "-I", "host", "-h", folder / f"{name}.pub")
    return asyncssh.read_certificate(folder / f"{name}-cert.pub").public_data


def guarded(folder: Path, *ways: SshWay, own: frozenset[bytes] = frozenset()) -> GuardedHostkeys:
    """What is guarded where these targets are registered."""
    return GuardedHostkeys(own, Book(*ways), HostkeyFile(folder / "pins"))


async def test_the_gateway_is_guarded_by_its_key_and_by_its_ca(tmp_path: Path) -> None:
    """Also behind the jump host, where it shows a certificate."""
    _, own = key(tmp_path, "own")
    _, authority = key(tmp_path, "ca")
    hosts = guarded(tmp_path, own=frozenset({own, authority}))
    assert await hosts.objection(own) == OWN
    assert await hosts.objection(certificate(tmp_path, "own", "ca")) == OWN
    _, other = key(tmp_path, "other")
    assert await hosts.objection(certificate(tmp_path, "other", "ca")) == OWN
    assert await hosts.objection(other) == ""


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
async def test_targets_are_guarded_by_their_host_keys(tmp_path: Path, kind: str) -> None:
    """Each of them, alone or in a certificate; others are not."""
    line, held = key(tmp_path, "held", kind)
    second, second_held = key(tmp_path, "second")
    key(tmp_path, "ca")
    hosts = guarded(tmp_path, SshWay(), SshWay(host_keys=(line, second)))
    assert await hosts.objection(held) == TARGET
    assert await hosts.objection(second_held) == TARGET
    assert await hosts.objection(certificate(tmp_path, "held", "ca")) == TARGET
    assert await hosts.objection(key(tmp_path, "other", kind)[1]) == ""


async def test_targets_are_guarded_by_the_ca_that_vouches_for_them(tmp_path: Path) -> None:
    """Whatever key it signed."""
    authority, _ = key(tmp_path, "ca")
    key(tmp_path, "other_ca")
    key(tmp_path, "held")
    hosts = guarded(tmp_path, SshWay(host_ca=authority))
    assert await hosts.objection(certificate(tmp_path, "held", "ca")) == TARGET
    assert await hosts.objection(certificate(tmp_path, "held", "other_ca")) == ""


async def test_targets_are_guarded_by_their_known_hosts(tmp_path: Path) -> None:
    """Every key in the file: names in it may be hashed or patterns. It is read each time."""
    line, held = key(tmp_path, "held")
    authority, signer = key(tmp_path, "ca")
    hashed, hashed_held = key(tmp_path, "hashed")
    file = tmp_path / "known"
    file.write_text(
        f"# a note\n\nweb.example {line}\n@cert-authority *.example {authority}\n"
        f"|1|abc=|def= {hashed}\nweb.example ssh-unheard-of AAAA\nweb.example\n"
    )
    hosts = guarded(tmp_path, SshWay(known_hosts=str(file)))
    assert await hosts.objection(held) == TARGET
    assert await hosts.objection(signer) == TARGET
    assert await hosts.objection(hashed_held) == TARGET
    added, added_held = key(tmp_path, "added")
    assert await hosts.objection(added_held) == ""
    file.write_text(f"other.example {added}\n")
    assert await hosts.objection(added_held) == TARGET


async def test_targets_are_guarded_by_the_key_that_was_believed_first(tmp_path: Path) -> None:
    """From the moment on at which it is pinned."""
    _, held = key(tmp_path, "held")
    hosts = guarded(tmp_path, SshWay(first_use=True))
    assert await hosts.objection(held) == ""
    HostkeyFile(tmp_path / "pins").pin(["web.example:22", "10.0.0.1:22"], held)
    assert await hosts.objection(held) == TARGET


async def test_what_cannot_be_read_guards_everything(tmp_path: Path) -> None:
    """A lost known_hosts, or damaged pins: nothing is signed until that is mended."""
    _, other = key(tmp_path, "other")
    lost = guarded(tmp_path, SshWay(known_hosts=str(tmp_path / "lost")))
    assert await lost.objection(other) == UNREADABLE
    (tmp_path / "pins").write_text("garbage\n")
    assert await guarded(tmp_path, SshWay(first_use=True)).objection(other) == UNREADABLE
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    binary = guarded(tmp_path, SshWay(known_hosts=str(tmp_path / "bytes")))
    assert await binary.objection(other) == UNREADABLE


@pytest.mark.parametrize("shown", [b"", b"x", b"\0\0\0\x0bssh-ed25519", b"\0\0\0\4null\0\0\0\0"])
async def test_a_host_key_that_is_none_is_guarded(tmp_path: Path, shown: bytes) -> None:
    """Nobody knows whose it would be."""
    assert await guarded(tmp_path).objection(shown) == UNKNOWN


@given(
    st.binary(max_size=120)
    | st.tuples(
        st.sampled_from(
            [b"ssh-ed25519", b"ssh-rsa", b"ecdsa-sha2-nistp256", b"ssh-dss", b"ssh-ed448",
             b"ssh-ed25519-cert-v01@openssh.com", b"x509v3-ssh-rsa"]
        ),
        st.binary(max_size=200),
    ).map(lambda parts: len(parts[0]).to_bytes(4, "big") + b"".join(parts))
)  # fmt: skip
def test_any_bytes_are_a_host_key_or_none(shown: bytes) -> None:
    """Whatever a target writes there."""
    keys = keys_within(shown)
    assert keys is None or keys
    assert hostkey_fingerprint(shown).startswith("SHA256:")
