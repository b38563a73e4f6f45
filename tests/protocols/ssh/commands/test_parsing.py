"""What the parser is given, and that nothing given to it ends the process."""

from __future__ import annotations

import subprocess
import sys

from gatekeep.protocols.ssh.commands.command import read_command
from gatekeep.protocols.ssh.commands.grammar import read_script

_ENDS_THE_PROCESS = "ls {\U000b7e3a; {\U0010ffff}"


def test_code_points_outside_of_tables_end_nothing() -> None:
    """By themselves one in three processes ended by them; each has its memory laid out anew."""
    code = (
        "from gatekeep.protocols.ssh.commands.grammar import read_script\n"
        f"for _ in range(50): read_script({_ENDS_THE_PROCESS!a})\n"
    )
    for _ in range(12):
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_words_keep_their_letters() -> None:
    """The parser sees none of them, the reader all."""
    script = read_script("größe=1; rm 'naïve файл' \U000b7e3a && é=1 ls")
    assert script is not None
    assert [one.value for one in script.commands[1].words] == ["rm", "naïve файл", "\U000b7e3a"]


def test_what_bash_takes_for_a_program_is_one() -> None:
    """`é=1` sets nothing: no name has such a letter."""
    reading = read_command("é=1 ls")
    assert [getattr(one, "program", "") for one in reading.facts] == ["é=1"]
