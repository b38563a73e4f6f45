"""Command lines that run a script file, and what is run in its place."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gatekeep.protocols.ssh.commands.pinning import ScriptFile, pin, script_file


@pytest.mark.parametrize(
    ("line", "file"),
    [
        ("./deploy.sh", ScriptFile("./deploy.sh", ())),
        ("/srv/x/deploy.sh --now 'two words'", ScriptFile("/srv/x/deploy.sh", ("--now", "two words"))),
        ("bash deploy.sh a", ScriptFile("deploy.sh", ("a",), "bash")),
        ("sh /srv/deploy.sh", ScriptFile("/srv/deploy.sh", (), "sh")),
    ],
)
def test_a_command_that_runs_a_script_file(line: str, file: ScriptFile) -> None:
    """Directly, or by the shell that reads it."""
    assert script_file(line) == file


@pytest.mark.parametrize(
    "line",
    ["deploy.sh", "ls", "./a.sh; ls", "./a.sh < f", "./a.sh > f", "A=b ./a.sh", "./a.sh | cat", "$X/a.sh",
     "./a.sh $X", "~/a.sh", "bash ~/a.sh", "bash", "bash -x a.sh", "bash -c ls", "bash +x a.sh", "sudo ./a.sh",
     "./a*.sh", "zsh a.sh", "bash <<E\nls\nE", "./a.sh &", "! ./a.sh", "bash ''"],
)  # fmt: skip
def test_what_is_more_or_less_than_that_is_not(line: str) -> None:
    """Whatever else happens on the line would not happen to the bytes that were read."""
    found = script_file(line)
    assert found is None or pin(found, b"\x7fELF", executable=True) is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"#!/bin/bash\nls\n", "bash -c"),
        (b"#!/bin/sh\nls\n", "sh -c"),
        (b"#! /usr/bin/env bash\nls\n", "bash -c"),
        (b"#!/usr/bin/bash -eu\nls\n", "bash -eu -c"),
    ],
)
def test_the_first_line_names_the_shell(content: bytes, words: str) -> None:
    """As the kernel reads it."""
    pinned = pin(ScriptFile("./a.sh", ("x y",)), content, executable=True)
    assert pinned is not None
    assert pinned.line.startswith(words)
    assert pinned.line.endswith("./a.sh 'x y'")
    assert pinned.text.encode() == content


@pytest.mark.parametrize(
    "content",
    [b"ls\n", b"#!/usr/bin/python3\nls\n", b"#!/bin/bash -x -e\nls\n", b"#!/tmp/bash\nls\n", b"#!/bin/bash\n\0\n",
     b"#!/bin/bash\n\xff\n", b"", b"#!/bin/bash"],
)  # fmt: skip
def test_what_is_no_script_of_a_known_shell_is_not_pinned(content: bytes) -> None:
    """It stays a command that runs what somebody may change."""
    assert pin(ScriptFile("./a.sh", ()), content, executable=True) is None


def test_a_file_that_nobody_may_execute_is_not_run() -> None:
    """The target would refuse it; a shell given its name would not."""
    content = b"#!/bin/bash\nls\n"
    assert pin(ScriptFile("./a.sh", ()), content, executable=False) is None
    assert pin(ScriptFile("a.sh", (), "bash"), content, executable=False) is not None


SCRIPT = """#!/bin/bash
echo "$0 $# $1"
read line
cat <<E
touch eaten
E
echo "read: ${line:-nothing}"
exit 7
"""


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_the_bytes_run_as_the_file_would(shell: str, tmp_path: Path) -> None:
    """Name, words and exit code alike; what reads input reads the end, never the script."""
    (tmp_path / "a.sh").write_text(SCRIPT)
    pinned = pin(ScriptFile("./a.sh", ("x y", "z"), shell), SCRIPT.encode(), executable=True)
    assert pinned is not None
    ran = run(["sh", "-c", pinned.line], SCRIPT.encode(), tmp_path)
    assert ran == run([shell, "./a.sh", "x y", "z"], b"", tmp_path)
    assert ran[0] == 7
    assert not (tmp_path / "eaten").exists()


def run(words: list[str], given: bytes, place: Path) -> tuple[int, bytes]:
    """Exit code and output of a program with this on its input."""
    done = subprocess.run(
        words, input=given, cwd=place, capture_output=True, timeout=20, check=False
    )
    return done.returncode, done.stdout
