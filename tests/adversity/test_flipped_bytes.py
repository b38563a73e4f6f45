"""A real log of a crashed gateway: no acknowledged byte changes and no file goes unnoticed.

Sampled in the usual run, many more in the soak; `verify` is the one that `gatekeep audit verify`
runs, and that command itself judges some of them.
"""

from __future__ import annotations

import base64
import os
import random
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from support.gateway import Gateway
from support.postgres_server import PostgresServer
from support.running_gateway import alive, child, own_database, running_gateway, until

from gatekeep.cli.audit_files import verify_files
from gatekeep.journal.archive import signed_checkpoint
from gatekeep.journal.report import Report
from gatekeep.journal.spool import SpoolReader, list_segments

SAMPLES = [pytest.param(1, id="small"), pytest.param(30, id="whole", marks=pytest.mark.soak)]
STATEMENTS = 400
NOTES = {"checkpoint", "checkpoints", "signed"}


@dataclass
class Scene:
    """A journal that nobody writes any more; its end was never archived."""

    gateway: Gateway

    def verified(self) -> Report:
        """What `gatekeep audit verify` finds."""
        return verify_files(self.gateway.journal, vkey=(), keys=self.gateway.keys, sealed=False)

    def name(self, path: Path) -> str:
        """As the report names it."""
        return str(path.relative_to(self.gateway.journal))

    def archive(self) -> list[Path]:
        """Every published file of the log, and the archivist's own record."""
        log = sorted((self.gateway.journal / "log").rglob("[!.]*"))
        return [*(path for path in log if path.is_file()), self.gateway.journal / "signed"]

    def spool_ranges(self) -> list[tuple[Path, int, int]]:
        """Every acknowledged batch but the last one: file, from, to."""
        spool = self.gateway.journal / "spool"
        found: list[tuple[Path, int, int]] = []
        with closing(SpoolReader.at_start(spool, list_segments(spool)[0])) as reader:
            while batch := reader.next_valid():
                segment = spool / f"{batch.end.segment:020d}.seg"
                begin = batch.start.offset if batch.start.segment == batch.end.segment else 0
                found.append((segment, begin, batch.end.offset))
        return found[:-1]


@pytest.fixture(scope="module")
def scene(postgres_server: PostgresServer) -> Iterator[Scene]:
    """Several segments, several checkpoints, and a tail behind which the archivist was stopped."""
    with (
        own_database(postgres_server) as database,
        running_gateway(
            postgres_server, database=database, extra_settings={"journal": {"segment_mib": 1}}
        ) as gateway,
    ):
        _work(gateway, STATEMENTS)
        until(lambda: _signed(gateway) > 2 * STATEMENTS, "a checkpoint over the first half")
        archivist = child(gateway, "gatekeep.archivist")
        os.kill(archivist, signal.SIGSTOP)
        _work(gateway, STATEMENTS)
        pids = gateway.processes()
        gateway.stop(signal.SIGKILL)
        os.kill(archivist, signal.SIGKILL)
        until(lambda: not any(alive(pid) for pid in pids), "the end of all three")
        made = Scene(gateway)
        report = made.verified()
        assert (report.exit_code, report.findings) == (0, [])
        assert report.tail > STATEMENTS, "part of it is not archived"
        yield made


def _is_superseded(path: Path) -> bool:
    """Whether what took its place is there: the whole tile, or a longer part."""
    folder = path.parent
    if folder.suffix != ".p":
        return False
    longest = max(int(part.name) for part in folder.iterdir())
    return folder.with_suffix("").exists() or int(path.name) < longest


def _work(gateway: Gateway, statements: int) -> None:
    with psycopg.connect(gateway.dsn(), autocommit=True) as client:
        for number in range(statements):
            client.execute(
                "SELECT %s::int, 'filling a segment quicker than a few words'", (number,)
            )


def _signed(gateway: Gateway) -> int:
    found = signed_checkpoint(gateway.journal)
    return found.size if found else 0


def flip(path: Path, at: int) -> Callable[[], None]:
    """Change one bit of one byte; returns what puts it right again."""
    with path.open("r+b") as file:
        file.seek(at)
        was = file.read(1)
        file.seek(at)
        file.write(bytes([was[0] ^ 1 << random.randrange(8)]))

    def mend() -> None:
        with path.open("r+b") as file:
            file.seek(at)
            file.write(was)

    return mend


@pytest.mark.parametrize("samples", SAMPLES)
def test_no_byte_of_the_archive_can_change(scene: Scene, samples: int) -> None:
    """In any tile, bundle, blob or checkpoint: exit 1 with its name; 4 for an unknown key's line."""
    for path in scene.archive():
        size = path.stat().st_size
        places = random.sample(range(size), min(size, samples))
        for at in places:
            mend = flip(path, at)
            report = scene.verified()
            mend()
            allowed = {1, 4} if path.name in NOTES else {1}
            assert report.exit_code in allowed, f"{scene.name(path)} at {at}: {report.as_text()}"
            named = {finding.file for finding in report.findings}
            assert scene.name(path) in named, f"{scene.name(path)} at {at}: {report.as_text()}"
    assert scene.verified().exit_code == 0


@pytest.mark.parametrize("samples", SAMPLES)
def test_no_acknowledged_byte_of_the_spool_can_change(scene: Scene, samples: int) -> None:
    """Before the last batch, archived or not: exit 1 naming the segment."""
    ranges = scene.spool_ranges()
    chosen = [ranges[0], ranges[-1], *random.choices(ranges, k=20 * samples)]
    assert len({path for path, _begin, _end in ranges}) > 1, "several segments"
    for path, begin, end in chosen:
        at = random.randrange(begin, end)
        mend = flip(path, at)
        report = scene.verified()
        mend()
        assert report.exit_code == 1, f"{path.name} at {at}: {report.as_text()}"
        assert scene.name(path) in {finding.file for finding in report.findings}, report.as_text()
    assert scene.verified().exit_code == 0


def test_no_file_of_the_archive_can_go(scene: Scene) -> None:
    """A removed bundle is 2; no other file can be removed without verify being other than 0."""
    for path in scene.archive():
        if _is_superseded(path):
            continue  # kept for late readers only
        away = scene.gateway.directory / "away"
        path.rename(away)
        report = scene.verified()
        away.rename(path)
        if "entries" in path.parts:
            assert report.exit_code == 2, f"{scene.name(path)}: {report.as_text()}"
        assert report.exit_code in {1, 2, 4}, f"{scene.name(path)}: {report.as_text()}"


def test_the_command_says_it_too(scene: Scene) -> None:
    """`gatekeep audit verify` exits 1 and names the file, and 2 for a bundle that is gone."""
    bundle = scene.gateway.journal / "log" / "tile" / "entries" / "000"
    mend = flip(bundle, bundle.stat().st_size // 2)
    said = scene.gateway.verify()
    mend()
    assert said.returncode == 1, said.stdout + said.stderr
    assert "log/tile/entries/000" in said.stdout
    away = bundle.rename(scene.gateway.directory / "away")
    said = scene.gateway.verify()
    away.rename(bundle)
    assert said.returncode == 2, said.stdout + said.stderr
    assert "log/tile/entries/000" in said.stdout
    assert scene.gateway.verify().returncode == 0


def test_openssl_accepts_the_signature(scene: Scene, tmp_path: Path) -> None:
    """A tool that we did not write checks the checkpoint, and refuses a changed one."""
    note = (scene.gateway.journal / "log" / "checkpoint").read_bytes()
    body, _blank, lines = note.partition(b"\n\n")
    signature = base64.b64decode(lines.split()[-1])[4:]
    vkey = (scene.gateway.keys / "log.vkey").read_text().strip()
    raw = base64.b64decode(vkey.split("+", 2)[2])[1:]
    public = Ed25519PublicKey.from_public_bytes(raw)
    (tmp_path / "public.pem").write_bytes(
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    (tmp_path / "signature").write_bytes(signature)
    for content, accepted in ((body + b"\n", True), (body + b" \n", False)):
        (tmp_path / "body").write_bytes(content)
        done = subprocess.run(
            ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "public.pem", "-rawin",
             "-in", "body", "-sigfile", "signature"],
            cwd=tmp_path, capture_output=True, check=False,
        )  # fmt: skip
        assert (done.returncode == 0) is accepted, done.stdout + done.stderr
