"""Real clients of sftp and scp against OpenSSH's own target, through the conversations."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import paramiko
import pytest
from support.file_place import BIG, NEEDED, Place, make_big, served

pytestmark = [pytest.mark.journey, NEEDED]

@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A fresh one."""
    return Place(tmp_path)


def test_sftp_moves_a_big_file_both_ways(place: Place) -> None:
    """64 MB arrive whole, and both hashes in the story are the file's."""
    digest = make_big(place.local / "big")
    done = place.sftp("put big there", "get there back")
    assert done.returncode == 0, done.stderr
    assert hashlib.sha256((place.local / "back").read_bytes()).hexdigest() == digest
    assert place.settled("written") == [{"bytes": BIG, "sha256": digest}]
    assert place.settled("read") == [{"bytes": BIG, "sha256": digest}]


def test_sftp_does_all_that_it_does(place: Place) -> None:
    """A day of an engineer: directories, links, rights, listings, the disk; each is an operation."""
    (place.local / "a").write_text("hello\n")
    done = place.sftp(
        "pwd", "mkdir d", "put -p a d/a", "chmod 640 d/a", "rename d/a d/b", "symlink b d/l",
        "ln d/b d/h", "ls -l d", "df .", "get -p d/l l", "rm d/l", "rm d/h", "cp d/b d/c", "rm d/b", "rm d/c",
        "rmdir d",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (place.local / "l").read_text() == "hello\n"
    assert list(place.home.iterdir()) == []
    assert "d/b" in done.stdout
    assert {
        "mkdir", "open", "fsetstat", "setstat", "posix-rename", "symlink", "hardlink", "opendir",
        "statvfs", "remove", "rmdir", "realpath", "limits", "copy-data", "stat", "lstat",
    } <= set(place.operations())  # fmt: skip
    assert not any("violation" in line or "note" in line for line in place.story)


def test_sftp_moves_trees_and_resumes(place: Place) -> None:
    """Recursive put and get, reget and reput; what is resumed is told as a range."""
    tree = place.local / "tree" / "deep"
    tree.mkdir(parents=True)
    (tree / "x").write_bytes(b"x" * 100_000)
    (place.local / "tree" / "näme").write_text("é")
    done = place.sftp("put -r tree", "get -r tree again")
    assert done.returncode == 0, done.stderr
    assert (place.local / "again" / "deep" / "x").read_bytes() == b"x" * 100_000
    assert (place.home / "tree" / "näme").read_text() == "é"
    whole = os.urandom(300_000)
    (place.home / "r").write_bytes(whole)
    (place.local / "r").write_bytes(whole[:100_000])
    (place.local / "w").write_bytes(whole)
    (place.home / "w").write_bytes(whole[:50_000])
    done = place.sftp("reget r", "reput w")
    assert done.returncode == 0, done.stderr
    assert (place.local / "r").read_bytes() == whole
    assert (place.home / "w").read_bytes() == whole
    (read,) = [one for one in place.settled("read") if one.get("sparse")]
    assert read["ranges"] == [
        {"offset": 100_000, "bytes": 200_000, "sha256": hashlib.sha256(whole[100_000:]).hexdigest()}
    ]
    (written,) = [one for one in place.settled("written") if one["bytes"] == 250_000]
    assert written["appended"]  # OpenSSH resumes by appending
    assert written["sha256"] == hashlib.sha256(whole[50_000:]).hexdigest()


def test_sftp_is_told_what_is_refused(place: Place) -> None:
    """A refused file is not made, the client says so, and the rest goes on."""
    (place.local / "a").write_text("x")
    rule = "not any('persistence' in fact.tags for fact in action.facts)"
    done = place.sftp("-put a .bashrc", "put a ok", "-rm nothing", rule=rule)
    assert done.returncode == 0, done.stderr
    assert "ermission denied" in done.stderr
    assert [path.name for path in place.home.iterdir()] == ["ok"]


def test_sftp_sees_through_a_link(place: Place) -> None:
    """A link made on the target before does not lead around a rule about paths."""
    (place.root / "closed").mkdir()
    (place.home / "open").symlink_to(place.root / "closed")
    (place.local / "a").write_text("x")
    rule = "not any('/closed/' in path for fact in action.facts for path in fact.paths)"
    done = place.sftp("-put a open/a", rule=rule)
    assert "ermission denied" in done.stderr
    assert list((place.root / "closed").iterdir()) == []


@pytest.mark.parametrize("old", [True, False], ids=["records", "packets"])
def test_scp_moves_a_big_file_both_ways(place: Place, old: bool) -> None:
    """By either of its protocols: 64 MB arrive whole, and the hashes are the file's."""
    digest = make_big(place.local / "big")
    way = ["scp", "-q", *(["-O"] if old else []), "-S", "@"]
    for words in (["big", "x:there"], ["x:there", "back"]):
        done = place.run(*way, *words)
        assert done.returncode == 0, done.stderr
    assert hashlib.sha256((place.local / "back").read_bytes()).hexdigest() == digest
    assert [one["sha256"] for one in place.settled("written")] == [digest]
    assert [one["sha256"] for one in place.settled("read")] == [digest]


def test_scp_by_records_moves_trees_with_times(place: Place) -> None:
    """Directories, an empty file, times and modes survive; each entry is an action."""
    tree = place.local / "tree" / "deep"
    tree.mkdir(parents=True)
    (tree / "x").write_bytes(b"x" * 100_000)
    (tree / "empty").touch()
    os.utime(tree / "x", (1_000_000_000, 1_100_000_000))
    (tree / "x").chmod(0o640)
    for words in (["tree", "x:copy"], ["x:copy", "back"]):
        done = place.run("scp", "-O", "-rpq", "-S", "@", *words)
        assert done.returncode == 0, done.stderr
    back = place.local / "back" / "deep"
    assert (back / "x").read_bytes() == b"x" * 100_000
    assert (back / "empty").stat().st_size == 0
    assert (back / "x").stat().st_mtime == 1_100_000_000
    assert (back / "x").stat().st_mode & 0o777 == 0o640
    assert sorted(place.operations()) == ["mkdir"] * 2 + ["opendir"] * 2 + ["read"] * 2 + ["write"] * 2
    assert all(line["outcome"]["kind"] == "done" for line in place.story if "settled" in line)


@pytest.mark.parametrize("way", ["to", "from"])
def test_scp_by_records_passes_over_what_is_refused(place: Place, way: str) -> None:
    """The refused file does not arrive, the client says why, the others do."""
    source, sink = (place.local, place.home) if way == "to" else (place.home, place.local)
    (source / "tree" / "sub").mkdir(parents=True)
    for name in ("good", "bad", "sub/good", "sub/bad"):
        (source / "tree" / name).write_text(name)
    words = ["tree", "x:copy"] if way == "to" else ["x:tree", "copy"]
    rule = "not action.text.endswith('bad')"
    done = place.run("scp", "-O", "-rpq", "-S", "@", *words, rule=rule)
    assert done.returncode == 1
    assert "gatekeep: policy does not allow" in done.stderr
    found = sorted(path.relative_to(sink / "copy").as_posix() for path in (sink / "copy").rglob("*"))
    assert found == ["good", "sub", "sub/good"]


def test_paramiko_moves_files(place: Place) -> None:
    """The client that most Python tools use: pipelined writes, prefetched reads, renames, listings."""
    digest = make_big(place.local / "big")
    with served(place) as end:
        client = paramiko.SFTPClient(end)  # type: ignore[arg-type] # anything that sends and receives
        client.put(str(place.local / "big"), "there")
        client.get("there", str(place.local / "back"))  # may ask for some blocks twice
        client.get("there", str(place.local / "calm"), prefetch=False)
        client.mkdir("d")
        client.rename("there", "d/moved")
        client.posix_rename("d/moved", "d/again")
        client.chmod("d/again", 0o600)
        client.symlink("again", "d/l")
        assert client.readlink("d/l") == "again"
        assert sorted(client.listdir("d")) == ["again", "l"]
        assert client.stat("d/l").st_size == BIG
        with client.open("d/again", "a") as more:
            more.write(b"more")
        with client.open("d/again", "r+") as more:
            more.seek(5)
            more.write(b"inside")
        client.truncate("d/again", 10)
        with pytest.raises(FileNotFoundError):
            client.stat("nothing/at/all")
    assert hashlib.sha256((place.local / "back").read_bytes()).hexdigest() == digest
    assert (place.home / "d" / "again").stat().st_size == 10
    assert place.settled("written")[0] == {"bytes": BIG, "sha256": digest}
    assert place.settled("read")[1] == {"bytes": BIG, "sha256": digest}
    assert not any("violation" in line for line in place.story)

