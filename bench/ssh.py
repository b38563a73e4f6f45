"""`make ssh-bench`: SSH directly, by ProxyJump through a second sshd, and through the gateway.

Clients and targets are OpenSSH's, with one cipher on every leg, all on this machine: three or more
programs share its cores. The gateway records, journals durably and asks its policy. Rounds go
A B C A B C; ratios of one run are what counts. Prints a table.
"""

from __future__ import annotations

import argparse
import os
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from postgres import TICK
from support.gateway import PERMISSIVE
from support.ssh_journey import Inner, SshWay, environment, ssh_gateway, straight_way, way_through
from support.ssh_target import SshTarget

CIPHER = "aes128-gcm@openssh.com"
MIB = 1024 * 1024

GATED = (
    PERMISSIVE
    + """
@id("no-shutdown")
@why("the line gate has something to look for")
forbid(principal, action in Action::"ssh", resource) when { context.program == "shutdown" };
"""
)

UNITS = {
    "exec out": "MiB/s", "exec in": "MiB/s", "scp out": "MiB/s", "scp in": "MiB/s",
    "sftp out": "MiB/s", "sftp in": "MiB/s", "echo p50": "ms", "echo p99": "ms",
    "connections": "/s", "8 at once": "/s",
}  # fmt: skip


@dataclass
class Contender:
    """A way by its name: `ssh -F config alias` goes it; `middle` are the processes between."""

    name: str
    config: Path
    alias: str
    middle: Callable[[], list[int]] = list
    runs: dict[str, list[float]] = field(default_factory=dict)
    cpu: dict[str, list[float]] = field(default_factory=dict)

    def line(self, program: str, *words: str) -> list[str]:
        """A command line on this way."""
        return [program, "-F", str(self.config), *words]

    @contextmanager
    def measured(self, case: str, amount: float, per: float) -> Iterator[None]:
        """One run: `amount` by the second, and the middle's CPU seconds for each `per` of it."""
        used, began = _cpu(self.middle()), time.perf_counter()
        yield
        took = time.perf_counter() - began
        time.sleep(0.3)  # a sshd's child counts once it is reaped
        self.runs.setdefault(case, []).append(amount / took)
        self.cpu.setdefault(case, []).append((_cpu(self.middle()) - used) * per / amount)


def _cpu(pids: list[int]) -> float:
    """Seconds of these processes and of their children that have ended."""
    total = 0
    for pid in pids:
        try:
            words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except FileNotFoundError:
            continue
        total += sum(map(int, words[11:15]))
    return total / TICK


def run(line: list[str], stdin: IO[bytes] | int | None = subprocess.DEVNULL) -> bytes:
    """A client's output; raises if it fails."""
    done = subprocess.run(
        line, stdin=stdin, capture_output=True, check=False, env=environment()
    )
    if done.returncode:
        raise RuntimeError(f"{line} ended with {done.returncode}: {done.stderr[-800:]!r}")
    return bytes(done.stdout)


def exec_out(way: Contender, mebibytes: int, _scratch: Path) -> None:
    """Zeros from the target, counted here by a program of their own."""
    with way.measured("exec out", mebibytes, 1024):
        client = subprocess.Popen(
            way.line("ssh", "-T", way.alias, f"head -c {mebibytes * MIB} /dev/zero"),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment(),
        )  # fmt: skip
        counted = subprocess.run(["wc", "-c"], stdin=client.stdout, capture_output=True, check=True)
        client.communicate()
    if int(counted.stdout) != mebibytes * MIB:
        raise RuntimeError(f"{way.name} lost bytes: {counted.stdout!r}")


def exec_in(way: Contender, mebibytes: int, _scratch: Path) -> None:
    """Zeros to the target, counted there."""
    zeros = subprocess.Popen(
        ["head", "-c", str(mebibytes * MIB), "/dev/zero"], stdout=subprocess.PIPE
    )
    with way.measured("exec in", mebibytes, 1024):
        counted = run(way.line("ssh", "-T", way.alias, "wc -c"), stdin=zeros.stdout)
    zeros.communicate()
    if int(counted) != mebibytes * MIB:
        raise RuntimeError(f"{way.name} lost bytes: {counted!r}")


def copies(way: Contender, mebibytes: int, scratch: Path) -> None:
    """A file each way, by scp's own protocol and by sftp."""
    here, there = scratch / "here", scratch / "there"
    if not here.exists() or here.stat().st_size != mebibytes * MIB:
        here.write_bytes(os.urandom(MIB) * mebibytes)
    lines = {
        "scp in": way.line("scp", "-q", "-O", str(here), f"{way.alias}:{there}"),
        "scp out": way.line("scp", "-q", "-O", f"{way.alias}:{here}", str(there)),
        "sftp in": way.line("scp", "-q", str(here), f"{way.alias}:{there}"),
        "sftp out": way.line("scp", "-q", f"{way.alias}:{here}", str(there)),
    }
    for case, line in lines.items():
        with way.measured(case, mebibytes, 1024):
            run(line)
        if there.stat().st_size != here.stat().st_size:
            raise RuntimeError(f"{way.name} lost bytes: {case}")
        there.unlink()


class Shell:
    """An interactive shell on a way, and one key in it, again and again."""

    def __init__(self, way: Contender) -> None:
        self.way = way
        self.took: list[float] = []
        self._client = subprocess.Popen(
            way.line("ssh", "-tt", way.alias), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, bufsize=0, env=environment(),
        )  # fmt: skip
        if self._client.stdin is None or self._client.stdout is None:
            raise RuntimeError("no pipes")
        self._keys, self._shown = self._client.stdin.fileno(), self._client.stdout.fileno()
        self._say(b"PS1='ready: '; unset PROMPT_COMMAND\n")
        self._until(b"ready: ", 20)
        time.sleep(0.3)
        self._until(b"", 0.2)

    def key(self, *, count: bool) -> None:
        """Type a letter until it shows, and take it back."""
        began = time.perf_counter()
        self._say(b"k")
        self._until(b"k", 20)
        if count:
            self.took.append((time.perf_counter() - began) * 1e3)
        self._say(b"\x7f")
        self._until(b"\x08", 20)

    def end(self) -> None:
        """Hang up, and keep what was found."""
        self._client.kill()
        self._client.communicate()
        cuts = statistics.quantiles(self.took, n=100)
        self.way.runs.setdefault("echo p50", []).append(cuts[49])
        self.way.runs.setdefault("echo p99", []).append(cuts[98])

    def _say(self, data: bytes) -> None:
        os.write(self._keys, data)

    def _until(self, wanted: bytes, limit_s: float) -> None:
        """Read until something shows, or for a while where nothing is named."""
        seen, deadline = b"", time.monotonic() + limit_s
        while not wanted or wanted not in seen:
            left = deadline - time.monotonic()
            ready = left > 0 and select.select([self._shown], [], [], left)[0]
            if not ready:
                if wanted:
                    raise RuntimeError(f"{self.way.name} does not answer: {seen!r}")
                return
            seen += os.read(self._shown, 65536)


def echoes(ways: list[Contender], count: int) -> None:
    """One key on each way in turn, so that all of them meet the same load."""
    shells = [Shell(way) for way in ways]
    for turn in range(count + 50):
        for shell in shells:
            shell.key(count=turn >= 50)
    for shell in shells:
        shell.end()


def connections(way: Contender, count: int, _scratch: Path) -> None:
    """`ssh way true`, one after the other, then eight at a time."""
    line = way.line("ssh", "-T", way.alias, "true")
    with way.measured("connections", count, 1000):
        for _ in range(count):
            run(line)
    with way.measured("8 at once", count, 1000):
        for begin in range(0, count, 8):
            running = [
                subprocess.Popen(line, stdin=subprocess.DEVNULL, env=environment())
                for _ in range(min(8, count - begin))
            ]
            if any(client.wait() for client in running):
                raise RuntimeError(f"{way.name} refuses connections")


def contender(name: str, way: SshWay, alias: str, middle: Callable[[], list[int]]) -> Contender:
    """A way with the one cipher, and nothing compressed."""
    config = way.directory / "bench_config"
    config.write_text(f"{way.config.read_text()}    Ciphers {CIPHER}\n    Compression no\n")
    return Contender(name, config, alias, middle)


@contextmanager
def contenders(scratch: Path) -> Iterator[list[Contender]]:
    """Every way: the sshds and both gateways run until the end."""
    with ExitStack() as stack:
        target, jump = SshTarget({"Ciphers": CIPHER}), SshTarget({"Ciphers": CIPHER})
        stack.callback(target.stop)
        stack.callback(jump.stop)
        jump.authorize(target.key.with_suffix(".pub").read_text())
        inner = Inner(target.host, target.port, target.account, target.known_hosts)
        straight = straight_way(target, scratch / "direct")
        (scratch / "jump").mkdir()
        over = SshWay(
            "jump", target, scratch / "jump", jump.host, jump.port, jump.account,
            jump.known_hosts, inner,
        )  # fmt: skip
        found = [
            contender("direct", straight, "web-1", list),
            contender("ProxyJump", over, "inner", lambda: [jump.pid]),
        ]
        for name, policy in (("gateway", PERMISSIVE), ("with line gate", GATED)):
            directory = scratch / name.replace(" ", "-")
            directory.mkdir()
            gateway = ssh_gateway(target, directory, policy=policy)
            gateway.start()
            stack.callback(gateway.stop)
            through = way_through(gateway, target, directory / "way", straight)
            found.append(contender(name, through, "web-1", gateway.processes))
        yield found


def table(found: list[Contender]) -> str:
    """Medians as a Markdown table, each with its ratio to direct and to ProxyJump."""
    lines = [
        "| case | way | median | of direct | of ProxyJump | CPU of the middle |",
        "|---|---|---|---|---|---|",
    ]
    for case, unit in UNITS.items():
        for way in (one for one in found if case in one.runs):
            middle = statistics.median(way.runs[case])
            ratios = " | ".join(
                f"{middle / statistics.median(other.runs[case]):.2f}" for other in found[:2]
            )
            used = statistics.median(way.cpu[case]) if case in way.cpu and way is not found[0] else None
            per = "ms each" if unit == "/s" else "s/GiB"
            cpu = "" if used is None else f"{used:,.2f} {per}"
            lines.append(f"| {case} | {way.name} | {middle:,.2f} {unit} | {ratios} | {cpu} |")
    return "\n".join(lines)


def main() -> None:
    """Run every case by every way and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mebibytes", type=int, default=512)
    parser.add_argument("--echoes", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=24)
    parser.add_argument("--only", nargs="*", default=["out", "in", "copies", "echo", "connections"])
    options = parser.parse_args()
    cases: dict[str, tuple[Callable[[Contender, int, Path], None], int]] = {
        "out": (exec_out, options.mebibytes), "in": (exec_in, options.mebibytes),
        "copies": (copies, options.mebibytes // 2), "connections": (connections, options.connections),
    }  # fmt: skip
    scratch = Path(tempfile.mkdtemp(prefix="gatekeep-ssh-"))
    loads = [os.getloadavg()[0]]
    try:
        with contenders(scratch) as found:
            for _ in range(options.rounds):
                for case in options.only:
                    if case == "echo":
                        echoes(found, options.echoes)
                    else:
                        for way in found[:3]:
                            cases[case][0](way, cases[case][1], scratch)
                loads.append(os.getloadavg()[0])
            print(table(found))
            print("load:", " ".join(f"{load:.1f}" for load in loads))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
