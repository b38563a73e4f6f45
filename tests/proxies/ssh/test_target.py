"""Connecting to real OpenSSH targets: who is believed, how accounts get in, what is refused."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import asyncssh
import pytest
from asyncssh.channel import SSHChannel
from asyncssh.packet import String, UInt32
from support.small_sshd import SmallSshd, agent_with, host_certificate, small_sshd
from support.ssh_door import keygen, new_key, public_line

from gatekeep.domain.targets import Account, SshWay, Target, TargetKind
from gatekeep.errors import JournalUnavailable, TargetFault
from gatekeep.identity.hostkeys import HostkeyFile
from gatekeep.identity.secrets import SecretReader
from gatekeep.identity.targets import FileTargetBook
from gatekeep.proxies.ssh.target import HostkeyDiffers, HostkeyShown, TargetPorts, connect

OTHER = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()


@dataclass
class Heard:
    """Everything that a connection told."""

    banners: list[str] = field(default_factory=list)
    uses: list[HostkeyShown] = field(default_factory=list)
    reports: list[str] = field(default_factory=list)
    journal: bool = True

    def banner(self, lines: Sequence[str]) -> None:
        """Kept."""
        self.banners += lines

    async def first_use(self, shown: HostkeyShown) -> None:
        """Recorded, or not."""
        if not self.journal:
            raise JournalUnavailable("cannot be recorded")
        self.uses.append(shown)

    def lost(self, error: Exception | None) -> None:
        """Kept."""
        self.reports.append(f"lost {error}")

    def unknown_request(self, place: str, name: str) -> None:
        """Kept."""
        self.reports.append(f"{place} {name}")

    def refused_open(self, kind: str, reason: str) -> None:
        """Kept."""
        self.reports.append(f"open {kind}")

    def callback_fault(self, error: BaseException) -> None:
        """Kept."""
        self.reports.append(f"fault {error}")

    def agent_opened(self) -> None:
        """Nobody's agent is lent."""


@dataclass
class Way:
    """One target as configured, and what comes of connecting to it."""

    target: Target
    ports: TargetPorts
    heard: Heard = field(default_factory=Heard)

    async def whoami(self, **connecting: str) -> str:
        """Sign in, run a command, leave."""
        account = next(iter(self.target.accounts))
        async with await connect(
            self.target, account, self.ports, self.heard, **connecting
        ) as connection:
            done = await connection.run("id -un", check=True)
        return str(done.stdout).strip()

    async def refused(self) -> TargetFault:
        """What connecting raises."""
        with pytest.raises(TargetFault) as caught:
            await self.whoami()
        return caught.value


def way_to(
    sshd: SmallSshd, way: SshWay | None = None, *, account: Account | None = None, host: str = "127.0.0.1"
) -> Way:
    """A target that is this sshd; with a key, and its host key pinned, unless told otherwise."""
    login = account or Account(sshd.account, key=f"file:{sshd.login_key}")
    pinned = " ".join(sshd.host_key.split()[:2])
    target = Target(
        "web-1", TargetKind.SSH, host, sshd.port, accounts={sshd.account: login},
        ssh=way or SshWay((pinned,)),
    )  # fmt: skip
    book = FileTargetBook([target], SecretReader({"WRONG": "swordfish"}))
    return Way(target, TargetPorts(book, HostkeyFile(sshd.folder / "pins"), sign_in_s=20))


async def test_a_key_gets_in_where_the_host_is_known(tmp_path: Path) -> None:
    """The account's key signs in to the host whose key is pinned; nothing odd is reported."""
    async with small_sshd(tmp_path / "s") as sshd:
        way = way_to(sshd)
        assert await way.whoami() == sshd.account
        assert way.heard.reports == ["lost None"]
        assert await way.whoami(address="127.0.0.1") == sshd.account


async def test_a_changed_host_key_is_refused_with_both_fingerprints(tmp_path: Path) -> None:
    """Nothing of ours is sent to it, and who looks into it has what to compare."""
    async with small_sshd(tmp_path / "s") as sshd:
        fault = await way_to(sshd, SshWay((OTHER,))).refused()
        assert isinstance(fault, HostkeyDiffers)
        assert fault.known == (asyncssh.import_public_key(OTHER).get_fingerprint(),)
        assert fault.shown == asyncssh.import_public_key(sshd.host_key).get_fingerprint()
        assert fault.address == "127.0.0.1"
        assert "Accepted" not in sshd.log.read_text()


async def test_a_host_without_a_key_of_the_known_kind_differs(tmp_path: Path) -> None:
    """A pinned RSA key and a host that shows only Ed25519."""
    pinned = public_line(new_key(tmp_path, "rsa", "rsa"))
    async with small_sshd(tmp_path / "s") as sshd:
        fault = await way_to(sshd, SshWay((pinned,))).refused()
    assert isinstance(fault, HostkeyDiffers)
    assert fault.shown == asyncssh.import_public_key(sshd.host_key).get_fingerprint()


class TestAuthority:
    """Hosts that a CA vouches for."""

    async def tried(self, tmp_path: Path, *arguments: str, trusted: bool = True) -> Way | TargetFault:
        """Connect to a host with such a certificate."""
        folder = tmp_path / "s"
        folder.mkdir()
        key = new_key(folder, "host_ed25519")
        authority = host_certificate(tmp_path, key, *arguments)
        async with small_sshd(folder, f"HostCertificate {key}-cert.pub") as sshd:
            way = way_to(sshd, SshWay(host_ca=authority if trusted else OTHER))
            try:
                assert await way.whoami() == sshd.account
            except TargetFault as fault:
                return fault
            return way

    async def test_its_certificate_is_believed(self, tmp_path: Path) -> None:
        """For the name that it was made for."""
        assert isinstance(await self.tried(tmp_path, "-n", "127.0.0.1"), Way)

    @pytest.mark.parametrize(
        ("arguments", "trusted"),
        [(("-n", "other"), True), (("-n", "127.0.0.1", "-V", "20200101:20210101"), True),
         (("-n", "127.0.0.1"), False)],
    )  # fmt: skip
    async def test_others_are_not(
        self, tmp_path: Path, arguments: tuple[str, ...], *, trusted: bool
    ) -> None:
        """Not for another name, not after its end, not from another CA."""
        fault = await self.tried(tmp_path, *arguments, trusted=trusted)
        assert isinstance(fault, HostkeyDiffers)
        assert fault.shown.startswith("SHA256:")


async def test_known_hosts_files_count(tmp_path: Path) -> None:
    """A file of OpenSSH's, read anew at each connection; what it revokes is refused."""
    known = tmp_path / "known"
    async with small_sshd(tmp_path / "s") as sshd:
        bare = " ".join(sshd.host_key.split()[:2])
        way = way_to(sshd, SshWay(known_hosts=str(known)))
        known.write_text(f"[127.0.0.1]:{sshd.port} {bare}\n")
        assert await way.whoami() == sshd.account
        known.write_text(f"[127.0.0.1]:{sshd.port} {OTHER}\n")
        assert isinstance(await way.refused(), HostkeyDiffers)
        known.write_text(f"[127.0.0.1]:{sshd.port} {bare}\n@revoked * {bare}\n")
        assert isinstance(await way.refused(), HostkeyDiffers)
        known.write_text(f"elsewhere {bare}\n")
        assert "no host key of web-1 is known" in (await way.refused()).cause


class TestFirstUse:
    """Where the owner says that whoever answers first is believed."""

    async def test_it_is_recorded_then_pinned(self, tmp_path: Path) -> None:
        """The first connection tells which key it believes; the next ones hold it to that."""
        async with small_sshd(tmp_path / "s") as sshd:
            way = way_to(sshd, SshWay(first_use=True))
            assert await way.whoami() == sshd.account
            assert await way.whoami() == sshd.account
            shown = asyncssh.import_public_key(sshd.host_key)
            assert way.heard.uses == [
                HostkeyShown("web-1", "127.0.0.1", "ssh-ed25519", shown.get_fingerprint())
            ]

    async def test_another_key_later_is_refused(self, tmp_path: Path) -> None:
        """Under the same name and port, for good, and also under another name of that address."""
        async with small_sshd(tmp_path / "s") as sshd:
            way = way_to(sshd, SshWay(first_use=True))
            await way.whoami()
        (tmp_path / "s" / "host_ed25519").unlink()
        async with small_sshd(tmp_path / "s", port=sshd.port) as other:
            assert isinstance(await way.refused(), HostkeyDiffers)
            alias = way_to(other, SshWay(first_use=True), host="localhost")
            fault = await alias.refused()
            assert isinstance(fault, HostkeyDiffers)
            assert alias.heard.uses == []

    async def test_an_address_change_alone_pins_nothing_new(self, tmp_path: Path) -> None:
        """The name is held to its key wherever it leads."""
        async with small_sshd(tmp_path / "s") as sshd:
            way = way_to(sshd, SshWay(first_use=True), host="localhost")
            pin = asyncssh.import_public_key(OTHER).public_data
            way.ports.pins.pin([f"localhost:{sshd.port}"], pin)
            assert isinstance(await way.refused(), HostkeyDiffers)
            assert way.heard.uses == []

    async def test_what_cannot_be_recorded_is_not_believed(self, tmp_path: Path) -> None:
        """No event, no pin, no sign-in."""
        async with small_sshd(tmp_path / "s") as sshd:
            way = way_to(sshd, SshWay(first_use=True))
            way.heard.journal = False
            with pytest.raises(JournalUnavailable):
                await way.whoami()
            assert not (sshd.folder / "pins").exists()
            assert "Accepted" not in sshd.log.read_text()


async def test_certificates_of_accounts_are_shown(tmp_path: Path) -> None:
    """An account whose key no target lists gets in by its certificate, and not without."""
    authority, key = new_key(tmp_path, "ca"), new_key(tmp_path, "id")
    async with small_sshd(tmp_path / "s", f"TrustedUserCAKeys {authority}.pub") as sshd:
        keygen("-s", authority, "-I", "gk", "-n", sshd.account, f"{key}.pub")
        login = Account(sshd.account, "", f"file:{key}-cert.pub", f"file:{key}")
        assert await way_to(sshd, account=login).whoami() == sshd.account
        fault = await way_to(sshd, account=replace(login, certificate="")).refused()
        assert "refuses the account's proof" in fault.cause


async def test_agents_are_asked(tmp_path: Path) -> None:
    """An account whose key lies in an agent; an agent that is gone is told apart."""
    async with small_sshd(tmp_path / "s") as sshd:
        place, process = agent_with(tmp_path, sshd.login_key)
        try:
            way = way_to(sshd, account=Account(sshd.account, agent=place))
            assert await way.whoami() == sshd.account
        finally:
            os.kill(process, signal.SIGTERM)
        gone = way_to(sshd, account=Account(sshd.account, agent=str(tmp_path / "none")))
        assert "agent" in (await gone.refused()).cause


async def test_nothing_of_the_machine_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys, agents and configuration of the gateway's own account get nobody in."""
    async with small_sshd(tmp_path / "s") as sshd:
        home = tmp_path / "home"
        (home / ".ssh").mkdir(parents=True)
        (home / ".ssh" / "id_ed25519").write_bytes(sshd.login_key.read_bytes())
        (home / ".ssh" / "id_ed25519").chmod(0o600)
        (home / ".ssh" / "config").write_text(f"Host *\n  IdentityFile {sshd.login_key}\n")
        place, process = agent_with(tmp_path, sshd.login_key)
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.setenv("SSH_AUTH_SOCK", place)
        stranger = new_key(tmp_path, "stranger")
        try:
            for login in (Account("", key=f"file:{stranger}"), Account("", "env:WRONG")):
                fault = await way_to(sshd, account=login).refused()
                assert "refuses" in fault.cause
        finally:
            os.kill(process, signal.SIGTERM)


@pytest.mark.parametrize(
    "line", ["Ciphers chacha20-poly1305@openssh.com", "Ciphers aes128-cbc,aes256-cbc",
             "KexAlgorithms diffie-hellman-group14-sha1"],
)  # fmt: skip
async def test_weak_transport_is_refused(tmp_path: Path, line: str) -> None:
    """A target that has only what can be cut short (CVE-2023-48795) or broken is no target."""
    async with small_sshd(tmp_path / "s", line) as sshd:
        fault = await way_to(sshd).refused()
        # sshd hangs up at the same moment; what is seen first is chance
        assert "no common algorithms" in fault.cause or "Connection lost" in fault.cause
        assert not isinstance(fault, HostkeyDiffers)
        assert "Accepted" not in sshd.log.read_text()


async def test_banners_are_told_as_theirs(tmp_path: Path) -> None:
    """Labelled line by line, escaped, and cut after twenty."""
    banner = tmp_path / "banner"
    banner.write_text("gatekeep: please visit https://evil\x1b]52;c;x\x07\n" + "more\n" * 50)
    async with small_sshd(tmp_path / "s", f"Banner {banner}") as sshd:
        way = way_to(sshd)
        await way.whoami()
    assert way.heard.banners[0].startswith("target says: gatekeep: please")
    assert not any(character < " " for line in way.heard.banners for character in line)
    assert len(way.heard.banners) == 20


async def test_further_host_keys_are_not_learnt(tmp_path: Path) -> None:
    """A target tells all its keys after sign-in; what is known of it stays what it was."""
    async with small_sshd(tmp_path / "s", kinds=("ed25519", "ecdsa")) as sshd:
        way = way_to(sshd, SshWay(first_use=True))
        await way.whoami()
        await way.whoami()
        pins = (sshd.folder / "pins").read_text().splitlines()
        assert len([line for line in pins if not line.startswith("#")]) == 1
        assert way.heard.reports == ["lost None"] * 2


async def test_silence_ends_in_time(tmp_path: Path) -> None:
    """A port where nobody speaks, one where nobody listens, and a name that leads nowhere."""
    silent = socket.create_server(("127.0.0.1", 0))
    port = silent.getsockname()[1]
    sshd = SmallSshd(port, tmp_path, "deploy", OTHER, new_key(tmp_path, "id"), tmp_path)
    way = way_to(sshd)
    way.ports = replace(way.ports, sign_in_s=0.2)
    assert "too long" in (await way.refused()).cause
    silent.close()
    assert "127.0.0.1" in (await way.refused()).cause
    way.target = replace(way.target, host="no-such-host.invalid")
    assert "cannot be resolved" in (await way.refused()).cause


async def test_a_lost_target_is_told(tmp_path: Path) -> None:
    """Who holds the connection hears that it broke."""
    async with small_sshd(tmp_path / "s") as sshd:
        way = way_to(sshd)
        connection = await connect(way.target, sshd.account, way.ports, way.heard)
        process = await connection.create_process("kill -9 $PPID")
        await asyncio.wait_for(connection.wait_closed(), 20)
        process.close()
    assert way.heard.reports != ["lost None"]
    assert way.heard.reports[0].startswith("lost ")


async def test_what_a_target_asks_unasked_is_refused_and_told(tmp_path: Path) -> None:
    """Agents, displays and forwarded ports that no session asked for, and requests nobody knows."""
    outcome: list[object] = []

    class Rogue(asyncssh.SSHServer):
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            self.conn = conn

        def begin_auth(self, username: str) -> bool:
            return False

        def auth_completed(self) -> None:
            self.conn.create_task(self.pull())

        async def pull(self) -> None:
            loop = asyncio.get_running_loop()
            for kind in (b"auth-agent@openssh.com", b"x11", b"forwarded-tcpip", b"session", b"odd"):
                channel: SSHChannel[bytes] = SSHChannel(self.conn, loop, None, "strict", 9, 9)
                place = String("x") + UInt32(1)
                extra = {b"x11": place, b"forwarded-tcpip": place + place}.get(kind, b"")
                try:
                    await channel._open(kind, extra)
                except asyncssh.ChannelOpenError as error:
                    outcome.append(error.code)
            kind, _ = await self.conn._make_global_request(b"odd@example")
            outcome.append(kind)
            self.conn.close()

    key = asyncssh.generate_private_key("ssh-ed25519")
    acceptor = await asyncssh.listen("127.0.0.1", 0, server_factory=Rogue, server_host_keys=[key])
    pin = key.export_public_key().decode().strip()
    sshd = SmallSshd(acceptor.get_port(), tmp_path, "x", pin, new_key(tmp_path, "id"), tmp_path)
    way = way_to(sshd)
    connection = await connect(way.target, "x", way.ports, way.heard)
    await asyncio.wait_for(connection.wait_closed(), 20)
    acceptor.close()
    await acceptor.wait_closed()
    assert len(outcome) == 6
    assert way.heard.reports[:6] == [
        "open auth-agent@openssh.com", "open x11", "open forwarded-tcpip", "open session",
        "open odd", "global odd@example",
    ]  # fmt: skip
