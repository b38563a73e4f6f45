"""Clients that are not OpenSSH: paramiko, asyncssh in a storm, ansible, as without us."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncssh
import paramiko
import pytest
from support.ssh_journey import Answer, SshWay, finished, same

pytestmark = pytest.mark.journey

SENT = random.Random(4).randbytes(1024 * 1024 + 3)


@contextmanager
def by_paramiko(way: SshWay) -> Iterator[paramiko.SSHClient]:
    """A client of paramiko that knows the near end's key."""
    client = paramiko.SSHClient()
    client.load_host_keys(str(way.config.with_name("known")))
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    client.connect(
        way.host, way.port, way.login, key_filename=str(way.key), allow_agent=False,
        look_for_keys=False, timeout=20,
    )  # fmt: skip
    try:
        yield client
    finally:
        client.close()


def by_asyncssh(way: SshWay) -> asyncssh.misc._ACMWrapper[asyncssh.SSHClientConnection]:
    """A connection of asyncssh that knows the near end's key."""
    return asyncssh.connect(
        way.host, way.port, username=way.login, client_keys=[str(way.key)], agent_path=None,
        known_hosts=str(way.config.with_name("known")), config=None,
    )  # fmt: skip


def test_paramiko_runs_commands(ssh_way: SshWay) -> None:
    """Input, both outputs and the status, through a client in Python."""

    def story(way: SshWay) -> Answer:
        with by_paramiko(way) as client:
            stdin, stdout, stderr = client.exec_command("wc -c; echo err >&2; exit 11", timeout=30)
            stdin.write(SENT)
            stdin.channel.shutdown_write()
            return Answer(
                stdout.channel.recv_exit_status(), stdout.read().strip(), stderr.read()
            )

    assert same(ssh_way, story) == Answer(11, b"%d" % len(SENT), b"err\n")


def test_paramiko_moves_files(ssh_way: SshWay) -> None:
    """Its sftp writes, reads ahead, seeks, stats, lists and removes."""

    def story(way: SshWay) -> list[object]:
        place = way.target.directory / "paramiko"
        found: list[object] = []
        with by_paramiko(way) as client, client.open_sftp() as sftp:
            sftp.mkdir(str(place))
            with sftp.open(str(place / "file"), "wb", 32768) as file:
                file.set_pipelined(pipelined=True)
                file.write(SENT)
            with sftp.open(str(place / "file"), "rb") as file:
                file.prefetch()
                found.append(hashlib.sha256(file.read()).hexdigest())
                file.seek(-5, 2)
                found.append(file.read())
            found += [sftp.stat(str(place / "file")).st_size, sftp.listdir(str(place))]
            sftp.truncate(str(place / "file"), 7)
            found.append((place / "file").read_bytes())
            sftp.remove(str(place / "file"))
            sftp.rmdir(str(place))
            with pytest.raises(FileNotFoundError):
                sftp.stat(str(place))
            found.append(sftp.normalize("/usr/../tmp/."))
        return found

    found = same(ssh_way, story)
    assert found[:4] == [hashlib.sha256(SENT).hexdigest(), SENT[-5:], len(SENT), ["file"]]
    assert found[4] == SENT[:7]


def test_a_storm_of_commands_on_one_connection(ssh_way: SshWay) -> None:
    """200 channels at once on one connection: each gets its own input back, and its own status."""

    async def storm(way: SshWay) -> list[tuple[str, str, int | None]]:
        async with by_asyncssh(way) as connection:

            async def one(number: int) -> tuple[str, str, int | None]:
                done = await connection.run(
                    f"cat; echo e{number} >&2; exit {number % 250}", input=f"in {number}", check=False
                )
                return str(done.stdout), str(done.stderr), done.exit_status

            return await asyncio.gather(*(one(number) for number in range(200)))

    found = same(ssh_way, lambda way: asyncio.run(asyncio.wait_for(storm(way), 120)))
    assert found == [(f"in {n}", f"e{n}\n", n % 250) for n in range(200)]


def test_a_thousand_commands_one_after_another(ssh_way: SshWay) -> None:
    """Channels that closed leave room: 1,000 on one connection."""

    async def story(way: SshWay) -> int:
        async with by_asyncssh(way) as connection:
            total = 0
            for _ in range(20):
                group = [connection.run("echo 1", check=True) for _ in range(50)]
                total += sum(int(str(done.stdout)) for done in await asyncio.gather(*group))
            return total

    assert same(ssh_way, lambda way: asyncio.run(asyncio.wait_for(story(way), 240))) == 1000


def test_a_signal_request_does_what_the_target_does_with_it(ssh_way: SshWay) -> None:
    """A signal kills what runs and its name comes back, or the target refuses it (sshd for root)."""

    async def story(way: SshWay) -> tuple[str, str, object]:
        async with (
            by_asyncssh(way) as connection,
            connection.create_process("echo up; read x; echo got $x") as process,
        ):
            first = await process.stdout.readline()
            process.send_signal("TERM")
            process.stdin.write("it\n")
            done = await process.wait()
            return first, str(done.stdout), done.exit_signal and done.exit_signal[0]

    found = same(ssh_way, lambda way: asyncio.run(asyncio.wait_for(story(way), 60)))
    assert found in {("up\n", "", "TERM"), ("up\n", "got it\n", None)}


def test_ansible_pings_and_copies(ssh_way: SshWay, tmp_path: Path) -> None:
    """Its modules come over ssh and sftp, run, and answer; a second copy changes nothing."""
    if importlib.util.find_spec("ansible") is None:
        pytest.skip("ansible-core is not installed")

    def story(way: SshWay) -> list[object]:
        local = way.directory / "ansible"
        local.mkdir(exist_ok=True)
        (local / "file").write_bytes(SENT)
        far = way.target.directory / "by-ansible"
        far.unlink(missing_ok=True)
        found: list[object] = []
        copy = f"src={local}/file dest={far} mode=0640"
        for module, arguments in (
            ("ping", ""), ("copy", copy), ("copy", copy), ("command", "false"),
        ):  # fmt: skip
            answer = ansible(way, local, module, arguments)
            found.append(answer.code)
            found += [word for word in ("SUCCESS", "CHANGED") if word.encode() in answer.out]
        found.append(far.read_bytes() == SENT)
        return found

    assert same(ssh_way, story) == [
        0, "SUCCESS", 0, "CHANGED", 0, "SUCCESS", 2, True,
    ]  # fmt: skip


def ansible(way: SshWay, local: Path, module: str, arguments: str) -> Answer:
    """One ad-hoc task on `web-1`."""
    inventory = (
        f"web-1, -e ansible_python_interpreter={sys.executable} "
        f"-e ansible_remote_tmp={way.target.directory}/remote-tmp"
    ).split()
    return finished(
        [sys.executable, "-m", "ansible", "adhoc", "web-1", "-i", *inventory, "-m", module, "-a", arguments],
        cwd=local, limit_s=120,
        more={
            "ANSIBLE_SSH_ARGS": f"-F {way.config} -C", "ANSIBLE_LOCAL_TEMP": str(local / "tmp"),
            "ANSIBLE_HOME": str(local / "home"), "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1",
            "ANSIBLE_STDOUT_CALLBACK": "minimal", "ANSIBLE_HOST_KEY_CHECKING": "1",
        },
    )  # fmt: skip
