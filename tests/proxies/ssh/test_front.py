"""Signing in over SSH with OpenSSH's own client: keys, certificates, tokens, codes."""

from __future__ import annotations

from pathlib import Path

import asyncssh
import pytest
from support.ssh_door import BANNER, keygen, new_key, public_line, ssh_door

TOKEN = "gk_only_for_tests"  # noqa: S105 - made up
GUESS = "gk_guessed"


async def test_a_registered_key_comes_in(tmp_path: Path) -> None:
    """OpenSSH with alice's key is alice, on the target and with the account that it spelled."""
    key = new_key(tmp_path, "id")
    async with ssh_door(tmp_path, [{"name": "alice", "keys": [public_line(key)]}]) as world:
        said = await world.ssh("alice+deploy@web-1", key=key)
    assert (said.status, said.out) == (0, "alice key deploy@web-1 [whoami]\n"), said.err
    assert BANNER in said.err
    (who,) = world.introduced
    assert who.token_id.startswith("SHA256:")
    assert (who.mfa_at, who.ends_us, who.forbidden) == (0, 0, frozenset())
    assert world.causes() == []


@pytest.mark.parametrize("login", ["bob", "mallory", "Alice", "alice+a+b", "alice@web-1", "al*ice"])
async def test_a_key_of_somebody_else_does_not(tmp_path: Path, login: str) -> None:
    """Alice's key opens nothing under another name, whether that name exists, or could."""
    key = new_key(tmp_path, "id")
    people = [{"name": "alice", "keys": [public_line(key)]}, {"name": "bob"}]
    async with ssh_door(tmp_path, people) as world:
        said = await world.ssh(login, key=key)
    assert said.status == 255
    assert "Permission denied (publickey,password)" in said.err
    assert world.introduced == []
    assert [(kind, cause) for kind, cause, _, _ in world.causes()] == [
        ("auth.failed", "no known key")
    ]


async def test_a_token_is_a_password(tmp_path: Path) -> None:
    """An access token given as password comes in; another text does not, and is counted."""
    async with ssh_door(tmp_path, [{"name": "alice"}], alice=TOKEN) as world:
        said = await world.ssh("alice", password=TOKEN)
        assert (said.status, said.out) == (0, "alice token @ [whoami]\n"), said.err
        assert [who.token_id for who in world.introduced] == ["alice-0"]
        wrong = await world.ssh("alice", password=GUESS)
        assert wrong.status == 255
        assert world.causes() == [("auth.failed", "wrong token", "alice", 1)]


async def test_guessing_locks_the_pair_and_says_nothing(tmp_path: Path) -> None:
    """After three wrong tokens the right one is refused from there in the same words; keys work."""
    key = new_key(tmp_path, "id")
    people = [{"name": "alice", "keys": [public_line(key)]}]
    async with ssh_door(tmp_path, people, alice=TOKEN) as world:
        wrong = [await world.ssh("\uff41lice", password=GUESS) for _ in range(3)]
        locked = await world.ssh("alice", password=TOKEN)
        assert locked.status == 255
        texts = [said.err.splitlines()[-1].split(": ", 1)[1] for said in (locked, *wrong)]
        assert len(set(texts)) == 1
        assert ("auth.locked", "too many failures", "alice", 1) in world.causes()
        assert (await world.ssh("alice", key=key)).status == 0
        world.clock.pass_s(600)
        assert (await world.ssh("alice", password=TOKEN)).status == 0


class TestSecondFactor:
    """A principal with one-time codes gives one after the first proof."""

    async def test_key_then_code(self, tmp_path: Path) -> None:
        """OpenSSH is told of partial success, asks for the code, and is in."""
        key = new_key(tmp_path, "id")
        people = [{"name": "alice", "keys": [public_line(key)], "totp": "env:CODES"}]
        async with ssh_door(tmp_path, people) as world:
            said = await world.ssh("alice+web-1", "-v", key=key, code=world.code())
            assert (said.status, said.out) == (0, "alice key @web-1 [whoami]\n"), said.err
            assert 'Authenticated using "publickey" with partial success' in said.err
            assert world.introduced[0].mfa_at == world.clock.wall_us()

    async def test_token_then_code(self, tmp_path: Path) -> None:
        """The token alone is not enough either."""
        people = [{"name": "alice", "totp": "env:CODES"}]
        async with ssh_door(tmp_path, people, alice=TOKEN) as world:
            said = await world.ssh("alice", password=TOKEN, code=world.code())
            assert (said.status, said.out) == (0, "alice token @ [whoami]\n"), said.err

    async def test_a_key_alone_stays_out(self, tmp_path: Path) -> None:
        """Without a code, with a wrong one, and with one that was used, nobody comes in."""
        key = new_key(tmp_path, "id")
        people = [{"name": "alice", "keys": [public_line(key)], "totp": "env:CODES"}]
        async with ssh_door(tmp_path, people) as world:
            assert (await world.ssh("alice", key=key)).status == 255
            used = world.code()
            assert (await world.ssh("alice", key=key, code=used)).status == 0
            again = await world.ssh("alice", "-o", "NumberOfPasswordPrompts=1", key=key, code=used)
            assert again.status == 255
            assert "Permission denied (keyboard-interactive)" in again.err
            assert len(world.introduced) == 1
            causes = {cause for _, cause, _, _ in world.causes()}
            assert causes == {"no code", "wrong code"}

    async def test_guessing_codes_locks(self, tmp_path: Path) -> None:
        """Who holds the key may guess three times, from wherever; then no code counts a while."""
        key = new_key(tmp_path, "id")
        people = [{"name": "alice", "keys": [public_line(key)], "totp": "env:CODES"}]
        async with ssh_door(tmp_path, people) as world:
            assert (await world.ssh("alice", key=key, code="000000")).status == 255
            assert (await world.ssh("alice", key=key, code=world.code())).status == 255
            world.clock.pass_s(600)
            assert (await world.ssh("alice", key=key, code=world.code())).status == 0


class TestCertificates:
    """OpenSSH user certificates of a trusted CA."""

    def signed(self, folder: Path, *arguments: str) -> tuple[Path, str]:
        """A key with a certificate, and the line of its CA."""
        authority, key = new_key(folder, "ca"), new_key(folder, "id")
        keygen("-s", authority, "-I", "alice@example", *arguments, f"{key}.pub")
        return key, public_line(authority)

    @pytest.mark.parametrize(
        ("arguments", "login", "comes_in"),
        [
            (("-n", "alice"), "alice+web-1", True),
            (("-n", "bob,alice"), "alice", True),
            (("-n", "bob"), "alice", False),
            (("-n", "alice+web-1"), "alice+web-1", False),
            (("-n", "alice"), "mallory", False),
            ((), "alice", False),
            (("-n", "alice", "-V", "20200101:20210101"), "alice", False),
            (("-n", "alice", "-V", "+1d:+2d"), "alice", False),
            (("-n", "alice", "-O", "source-address=127.0.0.0/8"), "alice", True),
            (("-n", "alice", "-O", "source-address=192.0.2.0/24"), "alice", False),
            (("-n", "alice", "-O", "critical:unheard@of=x"), "alice", False),
            (("-h", "-n", "alice"), "alice", False),
        ],
    )
    async def test_what_it_says_counts(
        self, tmp_path: Path, arguments: tuple[str, ...], login: str, *, comes_in: bool
    ) -> None:
        """Principals, time, addresses and critical options hold; without principals, for nobody."""
        key, authority = self.signed(tmp_path, *arguments)
        async with ssh_door(tmp_path, [{"name": "alice"}], authorities=(authority,)) as world:
            said = await world.ssh(login, key=key)
        assert (said.status == 0) is comes_in, said.err
        if comes_in:
            assert world.introduced[0].method == "certificate"
            assert [who.token_id for who in world.introduced] == ["alice@example 0"]

    @pytest.mark.parametrize(("algorithm", "comes_in"), [("rsa-sha2-512", True), ("ssh-rsa", False)])
    async def test_authorities_sign_by_sha2(
        self, tmp_path: Path, algorithm: str, *, comes_in: bool
    ) -> None:
        """An RSA CA is fine as long as it does not sign by SHA-1."""
        authority = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
        key = new_key(tmp_path, "id")
        made = authority.generate_user_certificate(
            asyncssh.read_public_key(f"{key}.pub"), "alice", principals=["alice"], sig_alg=algorithm
        )
        (tmp_path / "id-cert.pub").write_bytes(made.export_certificate())
        line = authority.export_public_key().decode().strip()
        async with ssh_door(tmp_path, [{"name": "alice"}], authorities=(line,)) as world:
            # OpenSSH's client does not even show the one by SHA-1, so another one does
            try:
                async with await asyncssh.connect(
                    "127.0.0.1", world.port, username="alice", known_hosts=None, config=None,
                    client_keys=[(str(key), str(tmp_path / "id-cert.pub"))], agent_path=None,
                ) as connection:  # fmt: skip
                    await connection.run("any")
            except asyncssh.PermissionDenied:
                assert not comes_in
        assert bool(world.introduced) is comes_in

    async def test_of_another_authority_it_is_nothing(self, tmp_path: Path) -> None:
        """A right certificate of a CA that is not trusted opens nothing."""
        key, _ = self.signed(tmp_path, "-n", "alice")
        (tmp_path / "other").mkdir()
        other = public_line(new_key(tmp_path / "other", "ca"))
        async with ssh_door(tmp_path, [{"name": "alice"}], authorities=(other,)) as world:
            assert (await world.ssh("alice", key=key)).status == 255

    async def test_lock_outs_do_not_touch_it(self, tmp_path: Path) -> None:
        """However often others fail under the name from the same address, the holder comes in."""
        key, authority = self.signed(tmp_path, "-n", "alice")
        async with ssh_door(tmp_path, [{"name": "alice"}], authorities=(authority,)) as world:
            for _ in range(4):
                assert (await world.ssh("alice", password=GUESS)).status == 255
            assert (await world.ssh("alice", key=key)).status == 0

    async def test_its_limits_outlive_the_second_step(self, tmp_path: Path) -> None:
        """A forced command replaces what was asked for, also where a code came in between."""
        limits = ("-O", "clear", "-O", "permit-pty", "-O", "force-command=uptime")
        key, authority = self.signed(tmp_path, "-n", "alice", *limits)
        people = [{"name": "alice", "totp": "env:CODES"}]
        async with ssh_door(tmp_path, people, authorities=(authority,)) as world:
            said = await world.ssh("alice", key=key, code=world.code())
        assert said.out == "alice certificate @ [uptime]\n", said.err
        (who,) = world.introduced
        assert who.forced_command == "uptime"
        assert who.forbidden == {"port-forwarding", "agent-forwarding", "X11-forwarding"}
        assert who.ends_us > 0
