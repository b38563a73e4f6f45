"""What the SSH gateway's memory does under slow readers, greedy windows and many idle shells."""

from __future__ import annotations

import asyncio
import hashlib
import os
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from support.gateway import PERMISSIVE, Gateway
from support.ssh_journey import (
    SshWay,
    environment,
    finished,
    ssh_gateway,
    straight_way,
    until,
    way_through,
)
from support.ssh_target import SshTarget

pytestmark = pytest.mark.journey

MIB = 1024 * 1024
GROWTH_KIB = 20 * 1024
GATED = (
    PERMISSIVE
    + """
@id("no-shutdown")
forbid(principal, action in Action::"ssh", resource) when { context.program == "shutdown" };
"""
)


@pytest.fixture(scope="module", params=["plain", "line gate"])
def shells(
    request: pytest.FixtureRequest, ssh_target: SshTarget, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Gateway, SshWay, int]]:
    """A gateway of its own, a way through it, and what an idle shell may cost it in KiB."""
    plain = request.param == "plain"
    yield from _place(ssh_target, tmp_path_factory, PERMISSIVE if plain else GATED, 256 if plain else 3072)


@pytest.fixture(scope="module")
def place(
    ssh_target: SshTarget, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Gateway, SshWay, int]]:
    """A gateway of its own, where all is permitted."""
    yield from _place(ssh_target, tmp_path_factory, PERMISSIVE, 0)


def _place(
    target: SshTarget, factory: pytest.TempPathFactory, policy: str, limit_kib: int
) -> Iterator[tuple[Gateway, SshWay, int]]:
    directory = factory.mktemp("memory")
    straight = straight_way(target, directory / "straight")
    gateway = ssh_gateway(target, directory, policy=policy)
    gateway.start()
    try:
        yield gateway, way_through(gateway, target, directory / "way", straight), limit_kib
    finally:
        gateway.stop()


def kib(gateway: Gateway, what: str) -> int:
    """`VmHWM` or `VmRSS` of the gateway's own process."""
    assert gateway.process is not None
    status = Path(f"/proc/{gateway.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(what))


def fresh_peak(gateway: Gateway) -> int:
    """The peak from here on; what came before does not hide what comes now."""
    assert gateway.process is not None
    Path(f"/proc/{gateway.process.pid}/clear_refs").write_text("5")
    return kib(gateway, "VmHWM")


def has_read(gateway: Gateway) -> int:
    """Bytes that the gateway has read so far, from anywhere."""
    assert gateway.process is not None
    lines = Path(f"/proc/{gateway.process.pid}/io").read_text().splitlines()
    return int(lines[0].split()[1])


def slowly(way: SshWay, size: int) -> int:
    """Bytes that come to a reader who takes them by fits and starts."""
    line = way.line("ssh", "-T", "web-1", f"head -c {size} /dev/zero")
    seen, pauses = 0, 0
    with subprocess.Popen(
        line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment()
    ) as client:
        assert client.stdout is not None
        while piece := os.read(client.stdout.fileno(), MIB):
            seen += len(piece)
            if seen // (4 * MIB) > pauses:
                pauses = seen // (4 * MIB)
                time.sleep(0.02)  # to be slow is what is tested
        assert client.wait(60) == 0
    return seen


@pytest.mark.parametrize("mebibytes", [200, pytest.param(5 * 1024, marks=pytest.mark.soak)])
def test_a_slow_reader_of_much_output_costs_no_memory(
    place: tuple[Gateway, SshWay, int], mebibytes: int
) -> None:
    """All of it comes, and the gateway's peak grows by no more than 20 MiB."""
    gateway, way, _ = place
    slowly(way, 16 * MIB)
    before = fresh_peak(gateway)
    assert slowly(way, mebibytes * MIB) == mebibytes * MIB
    grown = kib(gateway, "VmHWM") - before
    print(f"{mebibytes} MiB to a slow reader: grown {grown} KiB")  # noqa: T201 - a figure for people
    assert grown <= GROWTH_KIB


def test_a_window_of_a_gibibyte_whose_owner_reads_nothing_costs_no_memory(
    place: tuple[Gateway, SshWay, int],
) -> None:
    """The target is held back while the client's wire is full; later every byte comes."""
    gateway, way, _ = place
    size = 200 * MIB
    grown = asyncio.run(asyncio.wait_for(_greedy(gateway, way, size), 300))
    print(f"{size // MIB} MiB to a full wire: grown {grown} KiB")  # noqa: T201 - a figure for people
    assert grown <= GROWTH_KIB


async def _greedy(gateway: Gateway, way: SshWay, size: int) -> int:
    async with await _connected(way) as connection:
        loop, before = asyncio.get_running_loop(), fresh_peak(gateway)
        taken: list[int] = []
        ended = asyncio.Event()

        class Greedy(asyncssh.SSHClientSession[bytes]):
            def session_started(self) -> None:
                connection._transport.pause_reading()  # type: ignore[union-attr]  # asyncssh's own

            def data_received(self, data: bytes, datatype: Any) -> None:
                taken.append(len(data))

            def connection_lost(self, exc: Exception | None) -> None:
                ended.set()

        await connection.create_session(
            Greedy, f"head -c {size} /dev/zero", encoding=None, window=1024 * MIB
        )
        await loop.run_in_executor(None, _stalled, gateway)
        grown = kib(gateway, "VmHWM") - before
        connection._transport.resume_reading()  # type: ignore[union-attr]  # asyncssh's own
        await ended.wait()
        assert sum(taken) == size
        return grown


def _stalled(gateway: Gateway) -> None:
    """Wait until the gateway reads no more of the target."""
    first, last = has_read(gateway), [-1.0, 0.0]

    def quiet() -> bool:
        now = has_read(gateway)
        if now - last[0] > MIB // 4:
            last[:] = [now, time.monotonic()]
        return now - first > MIB and time.monotonic() - last[1] > 1.0

    until(quiet, "the gateway stops reading", 120)


async def _connected(way: SshWay) -> Any:
    return await asyncssh.connect(
        way.host, way.port, username=way.login, client_keys=[str(way.key)], known_hosts=None,
        config=None, agent_path=None,
    )  # fmt: skip


class _Shell:
    """An interactive shell; `echo` types a word and waits until it was answered."""

    def __init__(self, connection: Any, process: Any) -> None:
        self.connection = connection
        self.process = process

    async def echo(self, word: str) -> float:
        """Seconds until the shell has answered."""
        began = time.perf_counter()
        self.process.stdin.write(f"echo {word[:1]}''{word[1:]}\n")
        seen = ""
        while word not in seen:
            more = await self.process.stdout.read(4096)
            assert more, f"the shell is gone: {seen!r}"
            seen += more
        return time.perf_counter() - began


async def _opened(way: SshWay, bound: asyncio.Semaphore) -> _Shell:
    async with bound:
        connection = await _connected(way)
        shell = _Shell(connection, await connection.create_process(term_type="xterm", term_size=(80, 24)))
        await shell.echo("ready")
        return shell


async def _idle(gateway: Gateway, way: SshWay, count: int) -> tuple[float, float, float]:
    """KiB for each shell, and the median answer of one of them before and after the others came."""
    bound = asyncio.Semaphore(8)
    shells = [await _opened(way, bound) for _ in range(4)]
    alone = statistics.median([await shells[0].echo(f"alone{n}") for n in range(30)])
    before = kib(gateway, "VmRSS")
    shells += await asyncio.gather(*(_opened(way, bound) for _ in range(count)))
    each = (kib(gateway, "VmRSS") - before) / count
    beside = statistics.median([await shells[0].echo(f"beside{n}") for n in range(30)])
    for number, shell in enumerate(shells):
        await shell.echo(f"alive{number}")
    for shell in shells:
        shell.connection.close()
    await asyncio.gather(*(shell.connection.wait_closed() for shell in shells))
    return each, alone, beside


@pytest.mark.parametrize("count", [50, pytest.param(500, marks=pytest.mark.soak)])
def test_idle_recorded_shells_are_cheap(shells: tuple[Gateway, SshWay, int], count: int) -> None:
    """Each costs what it may and no more, all of them go on answering, and none is slowed."""
    gateway, way, limit_kib = shells
    each, alone, beside = asyncio.run(asyncio.wait_for(_idle(gateway, way, count), 1200))
    print(f"{count} idle shells: {each:.0f} KiB each; an answer {alone * 1e3:.1f} ms alone, {beside * 1e3:.1f} ms beside them")  # noqa: T201 - a figure for people  # fmt: skip
    assert each <= limit_kib
    assert beside <= 10 * alone + 0.05


@pytest.mark.parametrize("mebibytes", [32, pytest.param(1024, marks=pytest.mark.soak)])
@pytest.mark.parametrize("protocol", ["-s", "-O"], ids=["sftp", "scp"])
def test_a_large_file_each_way(
    place: tuple[Gateway, SshWay, int], mebibytes: int, protocol: str, tmp_path: Path
) -> None:
    """There and back again it has the same hash, and the gateway's peak grows by no more than 20 MiB."""
    gateway, way, _ = place
    here, there, back = tmp_path / "here", tmp_path / "there", tmp_path / "back"
    with here.open("wb") as file:
        for _ in range(mebibytes):
            file.write(os.urandom(MIB))
    small = tmp_path / "small"
    small.write_bytes(bytes(8 * MIB))
    finished(way.line("scp", "-q", protocol, str(small), f"web-1:{tmp_path / 'first'}"))
    before = fresh_peak(gateway)
    up = finished(way.line("scp", "-q", protocol, str(here), f"web-1:{there}"), limit_s=900)
    down = finished(way.line("scp", "-q", protocol, f"web-1:{there}", str(back)), limit_s=900)
    assert (up.code, down.code) == (0, 0), (up, down)
    grown = kib(gateway, "VmHWM") - before
    print(f"{mebibytes} MiB each way by scp {protocol}: grown {grown} KiB")  # noqa: T201 - a figure for people
    assert _hash(here) == _hash(there) == _hash(back)
    assert grown <= GROWTH_KIB
    for file in (here, there, back):
        file.unlink()


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
