"""Much data over SSH, both ways at once and one after the other: every byte, and past a rekey."""

from __future__ import annotations

import hashlib
import subprocess
import threading

import pytest
from support.ssh_journey import SshWay, environment

pytestmark = pytest.mark.journey

MIB = 1024 * 1024
BLOCK = bytes(range(256)) * 4096  # one MiB, which the target can make without us
MAKE = "python3 -c 'import sys; b = bytes(range(256)) * 4096; [sys.stdout.buffer.write(b) for _ in range({})]'"


def expected(mebibytes: int) -> str:
    """The SHA-256 of so many blocks."""
    digest = hashlib.sha256()
    for _ in range(mebibytes):
        digest.update(BLOCK)
    return digest.hexdigest()


def out(way: SshWay, mebibytes: int, *options: str) -> str:
    """Let the target make blocks, and hash them as they come."""
    command = way.line("ssh", *options, "web-1", MAKE.format(mebibytes))
    digest = hashlib.sha256()
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment()
    ) as client:
        assert client.stdout is not None
        while block := client.stdout.read(MIB):
            digest.update(block)
        assert client.wait(60) == 0
    return digest.hexdigest()


def into(way: SshWay, mebibytes: int, *options: str) -> str:
    """Send blocks, and let the target hash them."""
    with subprocess.Popen(
        way.line("ssh", *options, "web-1", "sha256sum"), stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, env=environment(),
    ) as client:  # fmt: skip
        assert client.stdin is not None
        assert client.stdout is not None
        for _ in range(mebibytes):
            client.stdin.write(BLOCK)
        client.stdin.close()
        answer = client.stdout.read().decode().split()[0]
        assert client.wait(60) == 0
    return answer


def test_a_quarter_gibibyte_each_way(ssh_way: SshWay) -> None:
    """256 MiB out, then in: the hashes are right."""
    right = expected(256)
    assert out(ssh_way, 256) == right
    assert into(ssh_way, 256) == right


def test_both_ways_at_once_over_two_connections(ssh_way: SshWay) -> None:
    """A download and an upload beside each other do not disturb one another."""
    found: dict[str, str] = {}
    threads = [
        threading.Thread(target=lambda: found.update(out=out(ssh_way, 48))),
        threading.Thread(target=lambda: found.update(into=into(ssh_way, 48))),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert found == {"out": expected(48), "into": expected(48)}


def test_keys_are_changed_in_the_middle(ssh_way: SshWay) -> None:
    """A client that changes keys every 16 MiB loses nothing."""
    right = expected(64)
    assert out(ssh_way, 64, "-o", "RekeyLimit=16M") == right
    assert into(ssh_way, 64, "-o", "RekeyLimit=16M") == right


@pytest.mark.soak
def test_a_gibibyte_and_more_each_way(ssh_way: SshWay) -> None:
    """1.25 GiB out, then in: past the point where both sides must change keys by themselves."""
    right = expected(1280)
    assert out(ssh_way, 1280) == right
    assert into(ssh_way, 1280) == right
