"""Tunnels, shared connections and jump hosts: what reaches through, and what does not, as without us.

Through a gateway these go by the target (`-L` of a session): its loopback is not the gateway's.
"""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.ssh_journey import Answer, SshWay, finished, same, until
from support.ssh_tunnels import (
    conversed,
    echo_port,
    echo_socket,
    exactly,
    listens,
    reached,
    socks,
)

from gatekeep.demo.embedded import free_port

pytestmark = pytest.mark.journey

SENT = random.Random(3).randbytes(2 * 1024 * 1024 + 5)


def test_a_local_forward_carries_bytes_and_half_closes(ssh_way: SshWay) -> None:
    """`-N -L`: the far service greets, echoes, and says goodbye after our end of input."""

    def story(way: SshWay) -> list[bytes]:
        near = free_port()
        with (
            echo_port() as far,
            way.running("ssh", "-N", "-L", f"{near}:127.0.0.1:{far}", "web-1"),
        ):
            until(lambda: listens(near), "the forward listens")
            first = conversed(reached(near), SENT)
            with ThreadPoolExecutor(8) as pool:
                more = list(pool.map(lambda n: conversed(reached(near), b"%d" % n), range(16)))
        return [first, *more]

    found = same(ssh_way, story)
    assert found[0] == b"hello\n" + SENT + b"bye\n"
    assert found[1:] == [b"hello\n%dbye\n" % n for n in range(16)]


def test_a_forward_to_nobody_is_closed_and_the_session_lives(ssh_way: SshWay) -> None:
    """A refused destination closes that connection alone."""

    def story(way: SshWay) -> bytes:
        near, nobody = free_port(), free_port()
        with way.running(
            "ssh", "-L", f"{near}:127.0.0.1:{nobody}", "web-1", "read x; echo still $x"
        ) as client:
            until(lambda: listens(near), "the forward listens")
            assert conversed(reached(near), b"anybody?") == b""
            return client.communicate(b"here\n", timeout=30)[0]

    assert same(ssh_way, story) == b"still here\n"


def test_stdio_forwarding_reaches_a_service(ssh_way: SshWay) -> None:
    """`ssh -W` is one tunnel over standard input and output."""

    def story(way: SshWay) -> Answer:
        with echo_port() as far:
            return finished(way.line("ssh", "-W", f"127.0.0.1:{far}", "web-1"), stdin=SENT)

    assert same(ssh_way, story) == Answer(0, b"hello\n" + SENT + b"bye\n")


def test_a_remote_forward_comes_back(ssh_way: SshWay) -> None:
    """`-N -R`: who connects on the target's loopback reaches a service beside the client."""

    def story(way: SshWay) -> bytes:
        far = free_port()
        with (
            echo_port() as near,
            way.running(
                "ssh", "-N", "-o", "ExitOnForwardFailure=yes",
                "-R", f"127.0.0.1:{far}:127.0.0.1:{near}", "web-1",
            ),
        ):  # fmt: skip
            until(lambda: listens(far), "the target listens")
            found = conversed(reached(far), SENT)
        until(lambda: not listens(far), "the target listens no more")
        return found

    assert same(ssh_way, story) == b"hello\n" + SENT + b"bye\n"


def test_a_socks_listener_reaches_by_address_and_by_name(ssh_way: SshWay) -> None:
    """`-D`: each connection asks for its own destination."""

    def story(way: SshWay) -> list[bytes]:
        proxy, found = free_port(), []
        with echo_port() as far, way.running("ssh", "-N", "-D", str(proxy), "web-1"):
            until(lambda: listens(proxy), "the proxy listens")
            for host in ("127.0.0.1", "localhost"):
                code, connection = socks(proxy, host, far)
                found.append(b"%d " % code + conversed(connection, b"x"))
        return found

    assert same(ssh_way, story) == [b"0 hello\nxbye\n"] * 2


def test_sockets_are_forwarded_by_path(ssh_way: SshWay) -> None:
    """`-L near:far.sock`: a Unix socket of the target."""

    def story(way: SshWay) -> bytes:
        near = free_port()
        with (
            echo_socket(way.target.directory / "echo.sock") as far,
            way.running("ssh", "-N", "-L", f"127.0.0.1:{near}:{far}", "web-1"),
        ):
            until(lambda: listens(near), "the forward listens")
            return conversed(reached(near), b"path")

    assert same(ssh_way, story) == b"hello\npathbye\n"


def test_a_slow_reader_of_a_tunnel_holds_nobody_up(ssh_way: SshWay) -> None:
    """One connection that does not read does not keep another of the same client waiting."""

    def story(way: SshWay) -> tuple[bytes, bytes]:
        near = free_port()
        with (
            echo_port() as far,
            way.running("ssh", "-N", "-L", f"{near}:127.0.0.1:{far}", "web-1"),
        ):
            until(lambda: listens(near), "the forward listens")
            with reached(near) as slow:
                slow.settimeout(0)
                sent = 0
                try:
                    while sent < len(SENT) * 8:
                        sent += slow.send(SENT[:65536])
                except BlockingIOError:
                    pass
                quick = conversed(reached(near), b"quick")
                slow.settimeout(30)
                return quick, exactly(slow, 6 + 65536)

    quick, slow = same(ssh_way, story)
    assert quick == b"hello\nquickbye\n"
    assert slow == b"hello\n" + SENT[:65536]


def test_one_connection_serves_several_sessions(ssh_way: SshWay) -> None:
    """ControlMaster: sessions, files and a late forward share one sign-in, and end with it."""

    def story(way: SshWay) -> list[object]:
        control = way.directory / "ctl"
        shared = ("-o", f"ControlPath={control}")
        found: list[object] = []
        before = way.target.log().count("Accepted publickey")
        with way.running("ssh", "-M", *shared, "-N", "web-1"), echo_port() as far:
            until(control.exists, "the master listens")
            found.append(way.ssh("", *shared, "-O", "check").code)
            with ThreadPoolExecutor(5) as pool:
                found += list(pool.map(lambda n: way.ssh(f"exit {n}", *shared).code, range(5)))
            (way.directory / "file").write_bytes(SENT)
            copied = f"web-1:{way.directory}/copy"
            found.append(
                finished(way.line("scp", "-q", *shared, f"{way.directory}/file", copied)).code
            )
            found.append((way.directory / "copy").read_bytes() == SENT)
            near = free_port()
            found.append(
                way.ssh("", *shared, "-O", "forward", "-L", f"{near}:127.0.0.1:{far}").code
            )
            found.append(conversed(reached(near), b"late"))
            accepted = way.target.log().count("Accepted publickey") - before
            found.append(way.ssh("", *shared, "-O", "exit").code)
            until(lambda: not control.exists(), "the master ends")
        assert accepted >= 1
        return found

    assert same(ssh_way, story) == [0, 0, 1, 2, 3, 4, 0, True, 0, b"hello\nlatebye\n", 0]


def test_a_jump_reaches_the_target(ssh_way: SshWay) -> None:
    """`ProxyJump`: commands, their input, output and status, and files, over the jump."""

    def story(way: SshWay) -> list[Answer]:
        (way.directory / "jumped").write_bytes(SENT)
        copy = way.line(
            "scp", "-q", f"{way.directory}/jumped", f"inner:{way.directory}/jumped-copy"
        )
        return [
            finished(way.line("ssh", "inner", "cat; echo err >&2; exit 4"), stdin=SENT),
            finished(copy),
            finished(way.line("ssh", "inner", f"cmp {way.directory}/jumped*")),
        ]

    assert same(ssh_way, story) == [Answer(4, SENT, b"err\n"), Answer(0, b""), Answer(0, b"")]


def test_an_agent_is_not_there_when_it_is_not_forwarded(ssh_way: SshWay) -> None:
    """Without `-A` a command on the target finds no agent."""
    found = same(ssh_way, lambda way: way.ssh("echo agent=$SSH_AUTH_SOCK"))
    assert found.out == b"agent=\n"
