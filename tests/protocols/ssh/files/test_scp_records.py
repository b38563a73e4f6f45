"""The words of scp: commands and records that are what they must be, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeep.protocols.ssh.files.scp_records import (
    Broken,
    End,
    Entry,
    ScpCommand,
    Times,
    clean_error,
    error_line,
    read_command,
    read_record,
)


@pytest.mark.parametrize(
    ("command", "read"),
    [
        ("scp -t x", ScpCommand(takes=True, paths=("x",))),
        ("scp -r -p -d -t -- -x", ScpCommand(takes=True, paths=("-x",), recursive=True, preserves=True, directory=True)),
        ("/usr/bin/scp -v -f a b", ScpCommand(takes=False, paths=("a", "b"))),
        ("scp -prf a", ScpCommand(takes=False, paths=("a",), recursive=True, preserves=True)),
        ("scp a b", None), ("scp -t a b", None), ("scp -tf a", None), ("scp -t", None), ("scp", None),
        ("scp -S /bin/sh -t x", None), ("scp -o ProxyCommand=x -t x", None), ("rsync -t x", None), ("", None),
        ("scp --version -t x", None),
    ],
)  # fmt: skip
def test_commands(command: str, read: ScpCommand | None) -> None:
    """Only the two that talk over standard input; an option that we do not know is not guessed."""
    assert read_command(command.split()) == read


@pytest.mark.parametrize(
    ("line", "record"),
    [
        (b"C0644 5 a b", Entry(directory=False, mode=0o644, size=5, name=b"a b")),
        (b"D0755 0 d", Entry(directory=True, mode=0o755, size=0, name=b"d")),
        (b"T1 0 2 0", Times(1, 2)),
        (b"E", End()),
    ],
)
def test_records(line: bytes, record: object) -> None:
    """As OpenSSH writes them."""
    assert read_record(line) == record


@given(st.binary(max_size=30))
def test_no_record_names_another_directory(tail: bytes) -> None:
    """Whatever the name is made of."""
    try:
        record = read_record(b"C0644 1 " + tail)
    except Broken:
        return
    assert isinstance(record, Entry)
    assert b"/" not in record.name
    assert record.name not in (b"", b".", b"..")
    assert not set(record.name) & set(range(32))


@given(st.binary(max_size=60))
def test_error_lines_are_one_line_without_controls(text: bytes) -> None:
    """Behind the byte that makes them one."""
    line = clean_error(b"\1" + text.replace(b"\n", b""))
    assert line[:1] == b"\1"
    assert line.endswith(b"\n")
    assert not set(line[1:-1]) & (set(range(32)) | {127})


def test_our_error_lines() -> None:
    """One lets the other side go on, the other does not."""
    assert error_line("é") == b"\1\xc3\xa9\n"
    assert error_line("x", fatal=True) == b"\2x\n"
