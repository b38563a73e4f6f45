"""The sign-in on the wire: nothing tells who exists, and no order of steps goes around one."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import asyncssh
import paramiko
import pytest
from support.ssh_door import SshWorld, StubDoor, new_key, public_line, ssh_door

from gatekeep.proxies.ssh.front import MAX_ATTEMPTS
from gatekeep.proxies.ssh.seams import MAX_SIGN_IN_REQUESTS

TOKEN = "gk_only_for_tests"  # noqa: S105 - made up
GUESS = "gk_guessed"
NAMES = ["alice", "robot", "nobod", "Alice", "a+b+c", "alic\u0435"]
Result = TypeVar("Result")


async def off(call: Callable[[], Result]) -> Result:
    """Run a blocking client beside the door."""
    return await asyncio.to_thread(call)


def dialled(world: SshWorld) -> paramiko.Transport:
    """A connection after its key exchange."""
    transport = paramiko.Transport(("127.0.0.1", world.port))
    transport.start_client(timeout=20)
    return transport


def left(transport: paramiko.Transport, attempt: Callable[[], list[str]]) -> list[str]:
    """What may still be tried after an attempt: none left means that it was the last one needed."""
    try:
        return attempt()
    except paramiko.BadAuthenticationType as told:
        return ["!", *told.allowed_types]
    except paramiko.AuthenticationException as told:
        return ["!", *getattr(told, "allowed_types", [])]


def packets(said: str) -> list[str]:
    """Every packet that ssh -vvv saw, in order, from the first request for sign-in on."""
    found = re.findall(r"(send|receive) packet: type (\d+)", said)
    start = found.index(("send", "50"))
    return [f"{way} {kind}" for way, kind in found[start:]]


async def test_openssh_sees_the_same_for_every_name(tmp_path: Path) -> None:
    """Packets, their order, texts and methods are alike for known, keyless and unknown names."""
    (tmp_path / "hers").mkdir()
    key, hers = new_key(tmp_path, "id"), new_key(tmp_path / "hers", "id")
    people = [
        {"name": "alice", "keys": [public_line(hers)], "totp": "env:CODES"},
        {"name": "robot"},
    ]
    seen = []
    async with ssh_door(tmp_path, people, alice=TOKEN) as world:
        for name in NAMES:
            with_key = await world.ssh(name, "-vvv", key=key)
            guessed = await world.ssh(name, "-vvv", password=GUESS)
            texts = [said.err.splitlines()[-1].split(": ", 1)[1] for said in (with_key, guessed)]
            offered = re.findall(r"that can continue: (\S+)", with_key.err + guessed.err)
            seen.append((packets(with_key.err), packets(guessed.err), texts, offered))
    assert seen[0][0]
    assert "receive 2" not in seen[0][0], "the empty packets that asyncssh sends are left out"
    assert seen == [seen[0]] * len(NAMES)


async def test_every_key_can_be_answered_alike(tmp_path: Path) -> None:
    """With `answer_every_key`, asking about alice's own key tells no more than any other key."""
    key = new_key(tmp_path, "id")
    people = [{"name": "alice", "keys": [public_line(key)]}]
    async with ssh_door(tmp_path, people, answer_every_key=True) as world:
        asked = [await world.ssh(name, "-vvv", key=key) for name in ("robot", "nobod")]
        assert [said.status for said in asked] == [255, 255]
        assert all("Server accepts key" in said.err for said in asked)
        assert packets(asked[0].err) == packets(asked[1].err)
        assert (await world.ssh("alice", key=key)).status == 0


async def test_a_second_step_is_not_anothers_first(tmp_path: Path) -> None:
    """Proving alice's key and then going on as bob begins anew: no code, no methods of hers."""
    key = new_key(tmp_path, "id")
    people = [{"name": "alice", "keys": [public_line(key)], "totp": "env:CODES"}, {"name": "bobby"}]
    private = paramiko.Ed25519Key.from_private_key_file(str(key))
    async with ssh_door(tmp_path, people, bobby=TOKEN) as world:

        def tried() -> list[list[str]]:
            transport = dialled(world)
            code = world.code()
            steps: list[Callable[[], list[str]]] = [
                lambda: transport.auth_publickey("alice", private),
                lambda: transport.auth_interactive("bobby", lambda *_: [code]),
                lambda: transport.auth_interactive("alice", lambda *_: [code]),
                lambda: transport.auth_publickey("alice", private),
                lambda: transport.auth_interactive("alice+web-1", lambda *_: [code]),
                lambda: transport.auth_publickey("alice+web-1", private),
                lambda: transport.auth_publickey("alice+web-1", private),
                lambda: transport.auth_interactive("alice+web-1", lambda *_: [code]),
            ]
            try:
                return [left(transport, step) for step in steps]
            finally:
                transport.close()

        outcome = await off(tried)
    first, second = ["!", "publickey", "password"], ["keyboard-interactive"]
    assert outcome == [second, first, first, second, first, second, ["!", *second], []]
    assert [who.login.target for who in world.introduced] == ["web-1"]


async def test_no_proof_no_entry(tmp_path: Path) -> None:
    """`none`, host keys, and codes without a first step are refused like everything else."""
    async with ssh_door(tmp_path, [{"name": "alice", "totp": "env:CODES"}]) as world:

        def tried() -> list[list[str]]:
            transport = dialled(world)
            code = world.code()
            try:
                return [
                    left(transport, lambda: transport.auth_none("alice") or []),
                    left(transport, lambda: transport.auth_interactive("alice", lambda *_: [code])),
                ]
            finally:
                transport.close()

        assert await off(tried) == [["!", "publickey", "password"]] * 2
    assert world.introduced == []


async def test_a_false_from_begin_auth_lets_nobody_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the library would log in without a proof, the seam refuses."""
    monkeypatch.setattr(StubDoor, "begin_auth", lambda _, name: not name)
    async with ssh_door(tmp_path, [{"name": "alice"}]) as world:
        said = await world.ssh("alice")
    assert said.status == 255
    assert world.introduced == []


async def test_attempts_are_counted(tmp_path: Path) -> None:
    """After twenty failures the connection ends, whatever the name and whatever was tried."""
    async with ssh_door(tmp_path, [{"name": "alice"}]) as world:
        keys = [asyncssh.generate_private_key("ssh-ed25519") for _ in range(MAX_ATTEMPTS + 5)]
        for name in ("alice", "nobod"):
            with pytest.raises(asyncssh.PermissionDenied, match=r"Too many|closed"):
                await asyncssh.connect(
                    "127.0.0.1", world.port, username=name, client_keys=keys, known_hosts=None,
                    config=None, agent_path=None,
                )  # fmt: skip
    assert world.introduced == []


async def test_floods_of_failures_are_folded(tmp_path: Path) -> None:
    """A dozen strangers who leave without a proof are one event with a count."""
    key = new_key(tmp_path, "id")
    async with ssh_door(tmp_path, [{"name": "alice"}]) as world:
        for number in range(12):
            await world.ssh(f"guess{number}", key=key)
        assert world.causes() == [("auth.failed", "no known key", "guess0", 12)]


@pytest.mark.parametrize(
    "cipher", ["chacha20-poly1305@openssh.com", "aes128-cbc", "3des-cbc", "aes256-cbc"]
)
async def test_ciphers_that_can_be_cut_short_are_not_offered(tmp_path: Path, cipher: str) -> None:
    """CVE-2023-48795 needs one of these; a client that has nothing else is turned away."""
    async with ssh_door(tmp_path, [{"name": "alice"}]) as world:
        said = await world.ssh("alice", "-c", cipher)
    assert said.status == 255
    assert "no matching cipher found" in said.err


async def test_signatures_by_sha1_prove_nothing(tmp_path: Path) -> None:
    """An RSA key signs with SHA-2 or not at all."""
    key = new_key(tmp_path, "id", "rsa")
    people = [{"name": "alice", "keys": [public_line(key)]}]
    async with ssh_door(tmp_path, people) as world:
        assert (await world.ssh("alice", key=key)).status == 0
        async with asyncio.timeout(20):
            with pytest.raises(asyncssh.PermissionDenied):
                await asyncssh.connect(
                    "127.0.0.1", world.port, username="alice", client_keys=[str(key)],
                    known_hosts=None, config=None, agent_path=None, signature_algs=["ssh-rsa"],
                )  # fmt: skip
    assert len(world.introduced) == 1


async def test_requests_cannot_overtake_the_count(tmp_path: Path) -> None:
    """Attempts that are sent without waiting for an answer end the connection as well."""
    async with ssh_door(tmp_path, [{"name": "alice"}], alice=TOKEN) as world:

        def flooded() -> bool:
            transport = dialled(world)
            with contextlib.suppress(paramiko.BadAuthenticationType):
                transport.auth_none("alice")
            request = paramiko.Message()
            request.add_byte(b"\x32")
            for text in ("alice", "ssh-connection", "password"):
                request.add_string(text)
            request.add_boolean(b=False)
            request.add_string("gk_guessed")
            for _ in range(MAX_SIGN_IN_REQUESTS + 1):
                transport._send_message(request)
            transport.join(20)
            return transport.is_active()

        assert await off(flooded) is False
    assert world.introduced == []


async def test_clients_without_strict_key_exchange_are_safe(tmp_path: Path) -> None:
    """They come in as ever, over a cipher that needs none (CVE-2023-48795)."""
    async with ssh_door(tmp_path, [{"name": "alice"}], alice=TOKEN) as world:

        def signed_in() -> str:
            transport = paramiko.Transport(("127.0.0.1", world.port), strict_kex=False)
            transport.start_client(timeout=20)
            try:
                assert transport.auth_password("alice", TOKEN) == []
                return str(transport.remote_cipher)
            finally:
                transport.close()

        cipher = await off(signed_in)
    assert cipher.endswith(("-ctr", "-gcm@openssh.com"))
    assert len(world.introduced) == 1
