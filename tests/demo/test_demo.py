"""The demo as a visitor meets it: the tour, the ready file, Ctrl-C, and a second start."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatekeep.demo import configure, embedded, run, seed, ssh_tour, tour
from gatekeep.demo.certificate import ensure_certificate
from gatekeep.demo.tour_steps import Sight, TourFailed

START_S = 90
TOUR_S = 240


@pytest.fixture
def state() -> Iterator[Path]:
    """A state directory with a short path (its Unix socket needs one), removed afterwards."""
    place = Path(tempfile.mkdtemp(prefix="gk-d-"))
    yield place / "demo"
    target = run.target_directory(configure.DemoFiles(place / "demo"))
    shutil.rmtree(target, ignore_errors=True)
    shutil.rmtree(place, ignore_errors=True)


_STARTED: list[subprocess.Popen[str]] = []


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Whatever a failed test left running is ended."""
    yield
    while _STARTED:
        process = _STARTED.pop()
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)
        if process.stdout is not None:
            process.stdout.close()


def demo(state: Path, *options: str) -> subprocess.Popen[str]:
    """`gatekeep demo` in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gatekeep.cli.main", "demo", "--state", str(state), *options],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("GATEKEEP_")},
    )  # fmt: skip
    _STARTED.append(process)
    return process


def ready(process: subprocess.Popen[str], path: Path) -> dict[str, object]:
    """The ready document, once it is there."""
    deadline = time.monotonic() + START_S
    while not path.exists():
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            assert time.monotonic() < deadline, "the demo was not ready in time"
            continue
        raise AssertionError(process.stdout.read() if process.stdout else "")
    return json.loads(path.read_text())


def children(pid: int) -> list[int]:
    """Every process below one."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")  # each thread has its own
    found = [int(one) for children_of in lists for one in children_of.read_text().split()]
    return found + [below for one in found for below in children(one)]


def is_there(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_the_tour_plays_the_whole_story_and_exits_0(state: Path) -> None:
    """Allow, deny, hold and release, search, verify, tamper check, loop: each as promised, unattended."""
    process = demo(state, "--tour")
    output, _ = process.communicate(timeout=TOUR_S)
    assert process.returncode == 0, output
    assert output.rstrip().endswith("everything was as promised.")
    over_ssh = configure.offers_ssh() and ssh_tour.clients_are_here()
    assert output.count("\n   ● ") == (31 if over_ssh else 23)
    assert "   ● the rule is out of force, by itself" in output
    assert not (state / "office").exists()


def test_the_ready_file_reaches_the_doors_and_ctrl_c_leaves_nothing(state: Path) -> None:
    """Scripts find doors, targets and tokens; Ctrl-C ends every process and the file."""
    path = state.parent / "ready.json"
    process = demo(state, "--ready-file", str(path))
    document = ready(process, path)
    assert path.stat().st_mode & 0o077 == 0
    assert document["version"] == 1
    expected = [{"name": "orders", "kind": "postgres", "accounts": ["app_rw"]}]
    if configure.offers_ssh():
        expected.append({"name": "web-1", "kind": "ssh", "accounts": ["deploy"]})
    assert document["targets"] == expected
    assert {name: who["groups"] for name, who in document["principals"].items()} == {
        "alice": ["engineers"], "bob": ["dba"], "carol": ["security"],
    }  # fmt: skip
    door = document["doors"]["postgres"]
    with socket.create_connection((door["host"], door["port"]), timeout=5):
        pass
    token = document["principals"]["alice"]["token"]
    assert (state / "tokens" / "alice").read_text() == token
    page = urllib.request.urlopen(f"{document['doors']['console']['url']}/sign-in", timeout=10)  # noqa: S310 - our own door
    assert b"Sign in" in page.read()
    assert (state / "passwords" / "bob").read_text() == document["principals"]["bob"]["password"]
    below = children(process.pid)
    assert len(below) >= 3
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0, output
    assert not path.exists()
    assert [pid for pid in below if is_there(pid)] == []
    assert token not in output


def test_a_second_start_goes_on_with_the_same_state_on_free_ports(state: Path) -> None:
    """Tokens and history stay; ports that are taken are replaced by free ones.

    Whoever removed the state begins anew, wherever the database's files are.
    """
    path = state.parent / "ready.json"
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", run.DOOR_PORT))
            taken.listen()
        except OSError:
            pass  # somebody else has it: just as well
        tokens = []
        for start in range(3):
            if start == 2:
                shutil.rmtree(state)
                shutil.rmtree(configure.DemoFiles(state).keys)
            process = demo(state, "--ready-file", str(path))
            document = ready(process, path)
            assert document["doors"]["postgres"]["port"] != run.DOOR_PORT
            tokens.append(document["principals"]["alice"]["token"])
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=30)
            assert process.returncode == 0, output
    assert tokens[0] == tokens[1] != tokens[2]


def test_the_certificate_is_made_once_and_is_private(tmp_path: Path) -> None:
    """A second start keeps the door's identity; the key is ours alone."""
    import datetime as dt  # noqa: PLC0415 - this test alone has dates

    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    certificate, key = ensure_certificate(tmp_path / "tls", now)
    before = certificate.read_bytes()
    assert ensure_certificate(tmp_path / "tls", now) == (certificate, key)
    assert certificate.read_bytes() == before
    assert key.stat().st_mode & 0o077 == 0


def test_a_taken_port_is_passed_over() -> None:
    """`free_port` gives the preferred port if it is free, else another."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert embedded.free_port(port) != port
    assert embedded.free_port(port) == port


def test_the_tour_stops_at_the_first_broken_promise() -> None:
    """A tour against nothing does not claim success."""
    nowhere = Path("/nonexistent")
    sight = Sight(
        host="127.0.0.1", port=embedded.free_port(), target="orders", token_of_alice="none",  # noqa: S106 - no token at all
        token_file_of_bob=nowhere, code_secret_of_bob=nowhere, settings=nowhere, journal=nowhere,
        keys=nowhere, psql=embedded.wheel_binaries() / "psql",
    )  # fmt: skip
    with pytest.raises(TourFailed):
        tour.take_tour(sight)


def test_the_seed_names_the_accounts_that_the_demo_offers() -> None:
    """Every offered account exists on the target."""
    assert set(configure.ACCOUNTS) <= set(seed.ACCOUNTS)
