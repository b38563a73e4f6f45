"""Passwords: hash lines from references, checked off the loop, alike for every name."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from argon2 import PasswordHasher
from argon2.low_level import Type

from gatekeep.documents import everything
from gatekeep.errors import SettingsError
from gatekeep.identity import passwords
from gatekeep.identity.passwords import PasswordBook, hashed, read_passwords, too_weak
from gatekeep.identity.principals import PrincipalEntry, principals_of
from gatekeep.identity.secrets import SecretReader
from gatekeep.runtime.offload import Offload

CHEAP = PasswordHasher(time_cost=5, memory_cost=7168, parallelism=1)
ALICE = "correct horse battery"
LINE = CHEAP.hash(ALICE)


def entries(*names: str) -> tuple[PrincipalEntry, ...]:
    """Principals, each with a password behind `env:<name>`."""
    return principals_of(
        {"principals": [{"name": one, "password": f"env:{one}"} for one in names]}, "p.yaml"
    )


@pytest.fixture
def offload() -> Iterator[Offload]:
    """Threads for the checks."""
    made = Offload(threads=2)
    yield made
    made.close()


async def test_the_password_fits_and_nothing_else(offload: Offload) -> None:
    """Case, blanks and length count; names do, too."""
    book = PasswordBook(entries("alice"), SecretReader({"alice": LINE}), offload)
    assert await book.matches("alice", ALICE)
    for name, given in (("alice", ALICE.upper()), ("alice", f"{ALICE} "), ("alice", ""), ("bob", ALICE),
                        ("", ALICE), ("alice", "x" * 5000), ("alice", "\ud800" * 9)):  # fmt: skip
        assert not await book.matches(name, given)


async def test_one_letter_in_two_spellings(offload: Offload) -> None:
    """A keyboard that composes ü and one that does not give the same password."""
    line = CHEAP.hash("schlüssel für alles".encode())
    book = PasswordBook(entries("alice"), SecretReader({"alice": line}), offload)
    assert await book.matches("alice", "schlu\u0308ssel fu\u0308r alles")


async def test_what_is_made_is_what_is_taken(offload: Offload) -> None:
    """The line that `gatekeep principals password` prints signs in."""
    book = PasswordBook(entries("alice"), SecretReader({"alice": hashed(ALICE)}), offload)
    assert await book.matches("alice", ALICE)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("hunter2", "is no argon2id hash line"),
        ("$2b$12$KIXQ", "is no argon2id hash line"),
        (PasswordHasher(type=Type.I).hash("x"), "is no argon2id hash line"),
        (LINE[:-30], "is no argon2id hash line"),
        (PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash("x"), "too low a cost"),
        (LINE.replace("m=7168", "m=9999999"), "too high a cost"),
        (LINE.replace("t=5", "t=999"), "too high a cost"),
    ],
    ids=["word", "bcrypt", "argon2i", "cut", "low", "high memory", "high time"],
)
def test_a_line_that_is_no_use_names_its_place(line: str, what: str) -> None:
    """File and key are named, the line never is."""
    with pytest.raises(SettingsError, match=what) as raised:
        read_passwords(entries("alice"), SecretReader({"alice": line}))
    assert (raised.value.file, raised.value.key) == ("p.yaml", "principals[0].password")
    assert line not in str(raised.value)


def test_all_faults_are_told_at_once() -> None:
    """One run of `gatekeep check` shows every line that is wrong."""
    with pytest.raises(SettingsError) as raised:
        read_passwords(entries("alice", "bob", "carol"), SecretReader({"alice": "x", "bob": LINE}))
    assert [one.key for one in everything(raised.value)] == ["principals[0].password", "principals[2].password"]  # fmt: skip


def test_few_ways_of_hashing() -> None:
    """Each way costs a computation at every sign-in, so a file cannot have many."""
    lines = {
        f"p{n}": PasswordHasher(time_cost=5 + n, memory_cost=7168, parallelism=1).hash("x")
        for n in range(5)
    }
    with pytest.raises(SettingsError, match="hashed alike"):
        read_passwords(entries(*lines), SecretReader(lines))


async def test_a_bad_reload_keeps_all(offload: Offload) -> None:
    """Who could sign in before still can; a good one swaps everything, marks included."""
    environment = {"alice": LINE}
    book = PasswordBook(entries("alice"), SecretReader(environment), offload)
    mark = book.mark("alice")
    environment["alice"] = "broken"
    for change in (book.reload, book.check):
        with pytest.raises(SettingsError):
            change(entries("alice"))
    assert await book.matches("alice", ALICE)
    assert book.mark("alice") == mark
    environment["alice"] = CHEAP.hash("another one entirely")
    book.reload(entries("alice"))
    assert not await book.matches("alice", ALICE)
    assert book.mark("alice") not in {mark, ""}
    assert book.mark("bob") == ""


async def test_the_loop_goes_on(offload: Offload, monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks run on threads, two at a time; so many may wait, and the door is told when no more should."""
    book = PasswordBook(
        entries("alice"), SecretReader({"alice": LINE}), offload, at_once=2, limit=1
    )
    go, threads = threading.Event(), set()

    def held(_lines: object, _given: bytes) -> list[str]:
        threads.add(threading.current_thread().name)
        go.wait(20)
        return []

    monkeypatch.setattr(passwords, "_fitting", held)
    running = [asyncio.ensure_future(book.matches("alice", "x")) for _ in range(3)]
    while len(threads) < 2:
        await asyncio.sleep(0)
    assert book.busy
    go.set()
    await asyncio.gather(*running)
    assert not book.busy
    assert threading.main_thread().name not in threads


async def test_unknown_names_cost_as_much(
    offload: Offload, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name with a password, one without, and one that nobody has: the same computations, of the same cost."""
    costs: list[str] = []

    class Counting(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> Any:  # noqa: A002 - the library's own name
            costs.append(str(hash).split("$")[3])
            return super().verify(hash, password)

    other = PasswordHasher(time_cost=6, memory_cost=7168, parallelism=1).hash("x")
    secrets = SecretReader({"alice": LINE, "bob": other})
    book = PasswordBook(entries("alice", "bob"), secrets, offload)
    monkeypatch.setattr(passwords, "PasswordHasher", Counting)
    spent = {}
    for name in ("alice", "bob", "carol", "", "alice\0"):
        costs.clear()
        assert not await book.matches(name, "wrong wrong wrong")
        spent[name] = sorted(costs)
    assert set(map(tuple, spent.values())) == {("m=7168,t=5,p=1", "m=7168,t=6,p=1")}


@pytest.mark.parametrize("password", ["short", "x" * 11, "aaaaaaaaaaaaaaaa", "x" * 2000])
def test_weak_ones_are_told(password: str) -> None:
    """Too short, too long, or hardly any letters."""
    assert too_weak(password)
    assert not too_weak(ALICE)
