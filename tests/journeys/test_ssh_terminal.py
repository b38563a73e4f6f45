"""Terminals over SSH: shells with a window that changes, keys that interrupt, as without us."""

from __future__ import annotations

import pytest
from support.running_gateway import alive
from support.ssh_journey import SshWay, same, until
from support.ssh_target import gives_terminals
from support.ssh_terminal import Terminal, terminal

pytestmark = [
    pytest.mark.journey,
    pytest.mark.skipif(
        not gives_terminals(), reason="/dev/pts has no group here, so only root's sshd has terminals"
    ),
]

BASH = "exec bash --norc --noprofile -i"
#: It says so itself once the keys are its own.
SLEEPER = b"sh -c 'echo up-$((1+1)); exec sleep 1000'\r"
#: Says the window's size when it is told of a new one. A line editor is no
#: witness of that: it takes the signal for itself, between two keys or not at all.
WATCHER = b"sh -c 'trap \"stty size; exit\" WINCH; echo up-$((1+1)); while :; do sleep 0.1; done'\r"


def prepared(person: Terminal) -> None:
    """Make the prompt one that no command's echo contains."""
    person.type(b"bind 'set enable-bracketed-paste off'; PS1='gk'\"-ready> \"\r")
    person.until(rb"gk-ready> $")


def answer(person: Terminal, command: bytes) -> bytes:
    """What a command showed between its own echo and the next prompt."""
    person.type(command + b"\r")
    return person.until(rb"\n([^\r\n]*)\r\n[^\n]*gk-ready> $").group(1)


def test_a_command_with_a_terminal_shows_its_size(ssh_way: SshWay) -> None:
    """`ssh -t` gives the command a terminal of the window's size and kind."""

    def story(way: SshWay) -> tuple[int, bytes]:
        with terminal(way.line("ssh", "-t", "web-1", "stty size; echo $TERM"), 33, 101) as person:
            return person.end(), person.seen

    code, seen = same(ssh_way, story)
    assert code == 0
    assert seen == b"33 101\r\nxterm\r\n"


def test_without_t_there_is_no_terminal(ssh_way: SshWay) -> None:
    """A command without `-t` sees pipes, even from a terminal."""

    def story(way: SshWay) -> tuple[int, bytes]:
        with terminal(way.line("ssh", "web-1", "tty; stty size")) as person:
            return person.end(), person.seen

    code, seen = same(ssh_way, story)
    assert code != 0
    assert b"not a tty" in seen


def test_exit_codes_come_back_from_terminals(ssh_way: SshWay) -> None:
    """`ssh -t host 'exit 9'` is 9."""

    def story(way: SshWay) -> int:
        with terminal(way.line("ssh", "-t", "web-1", "exit 9")) as person:
            return person.end()

    assert same(ssh_way, story) == 9


def test_t_from_a_pipe_still_gives_a_terminal(ssh_way: SshWay) -> None:
    """`ssh -tt` of a script has a terminal on the far side: newlines become CR LF."""
    found = same(ssh_way, lambda way: way.ssh("tty >/dev/null && echo terminal", "-tt"))
    assert found.out == b"terminal\r\n"


def test_a_shell_follows_the_window(ssh_way: SshWay) -> None:
    """A shell starts in the window's size and is told of each new one."""

    def story(way: SshWay) -> list[bytes]:
        with terminal(way.line("ssh", "-t", "web-1", BASH), 24, 80) as person:
            prepared(person)
            sizes = [answer(person, b"stty size")]
            for rows, columns in ((50, 132), (10, 40), (24, 80)):
                person.type(WATCHER)
                person.until(rb"up-2")
                person.resize(rows, columns)
                told = person.until(rb"\n(\d+ \d+)\r\n[^\n]*gk-ready> $").group(1)
                assert answer(person, b"stty size") == told
                sizes.append(told)
            return sizes

    assert same(ssh_way, story) == [b"24 80", b"50 132", b"10 40", b"24 80"]


def test_a_login_shell_starts_and_exit_ends_it(ssh_way: SshWay) -> None:
    """Plain `ssh host` runs the account's shell; its last status is the client's."""

    def story(way: SshWay) -> int:
        with terminal(way.line("ssh", "web-1")) as person:
            person.type(b"echo here-$((40+2))\r")
            person.until(rb"here-42")
            person.type(b"exit 5\r")
            return person.end()

    assert same(ssh_way, story) == 5


def test_control_c_interrupts_what_runs_and_not_the_session(ssh_way: SshWay) -> None:
    """The interrupt key reaches the far terminal."""

    def story(way: SshWay) -> bytes:
        with terminal(way.line("ssh", "-t", "web-1", BASH)) as person:
            prepared(person)
            person.type(SLEEPER)
            person.until(rb"up-2")
            person.type(b"\x03")
            person.until(rb"gk-ready> $")
            return answer(person, b"echo status $?")

    assert same(ssh_way, story) == b"status 130"


def test_control_d_ends_the_shell(ssh_way: SshWay) -> None:
    """The end-of-file key at a prompt is the end."""

    def story(way: SshWay) -> int:
        with terminal(way.line("ssh", "-t", "web-1", BASH)) as person:
            prepared(person)
            person.type(b"\x04")
            return person.end()

    assert same(ssh_way, story) == 0


def test_a_program_that_draws_shows_the_same_bytes(ssh_way: SshWay) -> None:
    """Escape sequences, the alternate screen, wide and combining characters pass untouched."""
    drawing = (
        "printf '\\033[?1049h\\033[2J\\033[3;7H\\033[1;31mred\\033[0m\\033[?25l"
        "世界 e\\314\\201 \\342\\224\\200\\033]0;title\\007\\033[?1049l\\033[?25hdone\\n'"
    )

    def story(way: SshWay) -> bytes:
        with terminal(way.line("ssh", "-t", "web-1", drawing)) as person:
            assert person.end() == 0
            return person.seen

    seen = same(ssh_way, story)
    assert seen.startswith(b"\x1b[?1049h\x1b[2J\x1b[3;7H\x1b[1;31mred\x1b[0m\x1b[?25l")
    assert seen.endswith(b"\x1b[?1049l\x1b[?25hdone\r\n")


def test_much_output_in_a_terminal_arrives_whole(ssh_way: SshWay) -> None:
    """A long listing loses and changes nothing."""

    def story(way: SshWay) -> bytes:
        with terminal(way.line("ssh", "-t", "web-1", "seq 1 200000")) as person:
            assert person.end() == 0
            return person.seen

    seen = same(ssh_way, story)
    assert seen == b"".join(b"%d\r\n" % number for number in range(1, 200_001))


def test_a_password_prompt_echoes_nothing(ssh_way: SshWay) -> None:
    """A program that switches echo off gets what is typed, and nothing of it is shown."""
    ask = "read -rs -p secret: x; echo; echo ${#x} letters"

    def story(way: SshWay) -> bytes:
        with terminal(way.line("ssh", "-t", "web-1", f"bash -c '{ask}'")) as person:
            person.until(rb"secret:")
            person.type(b"hunter2hunter2\r")
            assert person.end() == 0
            return person.seen

    seen = same(ssh_way, story)
    assert b"hunter2" not in seen
    assert seen.endswith(b"14 letters\r\n")


def test_the_clients_own_escape_ends_a_session_that_hangs(ssh_way: SshWay) -> None:
    """`~.` is the client's: nothing of ours stands in its way."""

    def story(way: SshWay) -> int:
        with terminal(way.line("ssh", "-t", "web-1", BASH)) as person:
            prepared(person)
            person.type(SLEEPER)
            person.until(rb"up-2")
            person.type(b"\r~.")
            return person.end()

    assert same(ssh_way, story) == 255


def test_a_terminal_that_goes_away_ends_the_shell(ssh_way: SshWay) -> None:
    """A client whose terminal was closed leaves no shell behind, nor what it ran."""

    def story(way: SshWay) -> bool:
        with terminal(way.line("ssh", "-t", "web-1", BASH)) as person:
            prepared(person)
            shell = int(answer(person, b"echo $$"))
            person.type(SLEEPER)
            person.until(rb"up-2")
        until(lambda: not alive(shell), "the shell is gone")
        return True

    assert same(ssh_way, story)
