"""The hook in real shells: what a person is used to is as it was."""

from __future__ import annotations

import shutil

import pytest
from support.hooked_shell import Open

from gatekeep.protocols.ssh.shells.hook_bootstrap import HookedShell
from gatekeep.protocols.ssh.shells.hook_states import State


def test_the_terminal_has_its_name(opened: Open, shell: HookedShell) -> None:
    """`tty` names the device, as in any shell."""
    person = opened(shell)
    person.run("tty")
    assert b"/dev/pts/" in person.shown


def test_job_control(opened: Open, shell: HookedShell) -> None:
    """Ctrl-Z stops, fg goes on, Ctrl-C ends; each belongs to the line that began it."""
    person = opened(shell)
    person.type("cat\r")
    person.until(lambda: person.gate.state is State.RUN)
    person.type("echo\r")
    person.until(lambda: person.shown.count(b"echo\r\n") >= 2)
    person.type("\x1a")
    person.prompt()
    person.type("fg\r")
    person.until(lambda: len(person.lines) == 2 and person.gate.state is State.RUN)
    person.type("again\r")
    person.until(lambda: person.shown.count(b"again\r\n") >= 2)
    person.type("\x03")
    person.prompt()
    assert person.texts == ["cat", "fg"]
    assert person.status_of("fg") == 130
    assert not person.notes


def test_every_character_comes_through(opened: Open, shell: HookedShell) -> None:
    """UTF-8, percent signs, semicolons, quotes and a quoted control character."""
    person = opened(shell)
    line = "printf '%s;%%41 ü漢😀 \\\\ \"&' > out"
    person.run(line)
    person.run("printf '\x16\x01\x16\x1b' > raw")
    assert person.texts == [line, "printf '\x01\x1b' > raw"]
    assert (person.home / "raw").read_bytes() == b"\x01\x1b"


def test_a_long_line(opened: Open, shell: HookedShell) -> None:
    """10 kB, reported whole."""
    person = opened(shell)
    line = "echo '" + "aä%;" * 2500 + "' > out"
    person.run(line)
    assert person.texts == [line]
    assert len((person.home / "out").read_text()) == 10001


def test_the_window_keeps_its_size(opened: Open, shell: HookedShell) -> None:
    """A resize while a line waits reaches the program."""
    person = opened(shell)
    person.type(": pending; stty size\r")
    person.until(lambda: person.lines)
    person.resize(33, 99)
    person.answer(person.lines[0], allowed=True)
    person.until(lambda: b"33 99" in person.shown)


def test_it_starts_as_a_login_shell_would(opened: Open, shell: HookedShell) -> None:
    """The person's own files, prompt, terminal and history; no file left; no secret exported."""
    person = opened(shell, rc="alias mine='touch aliased'\nHISTFILE=$HOME/hist HISTSIZE=50 SAVEHIST=50\n")
    person.run("mine")
    person.run('echo "$TERM:$-"; env > env.txt')
    person.run("tr '\\0' ' ' < /proc/$$/cmdline > cmd.txt")
    assert b"P> " in person.shown
    assert person.made("aliased")
    assert b"xterm-256color:" in person.shown
    assert "gk" not in (person.home / "env.txt").read_text()
    assert "gk" not in (person.home / "cmd.txt").read_text()
    person.type("exit\r")
    person.until(lambda: person.ended)
    assert "mine\n" in (person.home / "hist").read_text()
    assert "gk" not in (person.home / "hist").read_text()


@pytest.mark.parametrize("login", ["/bin/sh", "bash", "zsh", "dash", "fish"])
def test_any_log_in_shell_can_start_it(opened: Open, shell: HookedShell, login: str) -> None:
    """The command means the same to each of them."""
    path = shutil.which(login)
    if path is None:
        pytest.skip(f"no {login}")
    person = opened(shell, login=path)
    person.run("touch one")
    assert person.made("one")


@pytest.mark.parametrize("option", ["set -e", "set -u", "set -f", "set -a", "IFS=t", "set -x", "LC_ALL=C", "set -o posix"])
def test_options_of_the_shell_do_not_disturb_it(opened: Open, shell: HookedShell, option: str) -> None:
    """Set by the person; the hook reports as before, and exports nothing."""
    person = opened(shell)
    person.run(option)
    assert b"__gk_free" not in person.shown
    plain = "touch one" if option == "LC_ALL=C" else "touch ünï"
    person.run(plain)
    person.run("touch denied")
    person.type("\x15")
    person.run("env > env.txt")
    assert person.texts[1:] == [plain, "touch denied", "env > env.txt"]
    assert not person.made("denied")
    assert person.gate._tokens.current.decode() not in (person.home / "env.txt").read_text()


def test_history_expansion_is_done_before_the_line_is_reported(
    opened: Open, shell: HookedShell
) -> None:
    """What is reported is what runs: expanded once, by the editor, and not again."""
    person = opened(shell)
    person.run("touch first")
    person.run("!!.2")
    person.run("echo '!!' > quoted")
    person.run("^quoted^again")
    person.type("echo '\r")
    person.until(lambda: person.gate.state is State.CONT)
    person.run("' !touch")
    person.run("touch denied")
    person.type("\x15")
    assert person.texts[:4] == [
        "touch first", "touch first.2", "echo '!!' > quoted", "echo '!!' > again",
    ]  # fmt: skip
    assert person.made("first.2")
    assert (person.home / "again").read_text() == "!!\n"
    assert person.texts[5] == "echo '\n' !touch"
    assert b"\n !touch\r\n" in person.shown, bytes(person.shown)
    assert not person.made("denied")


def test_an_event_that_is_not_there_runs_nothing(opened: Open, shell: HookedShell) -> None:
    """And neither does one that is only to be printed."""
    person = opened(shell)
    person.run("echo x >> count")
    person.type("!nosuchevent; echo x >> count\r")
    for _ in range(6):
        person.pump()
    person.prompt()
    person.type("\x15")
    person.type("!ec:p\r")
    for _ in range(6):
        person.pump()
    person.prompt()
    person.type("\x15")
    person.run("true")
    assert (person.home / "count").read_text() == "x\n"


def test_status_and_last_argument_are_left_alone(opened: Open, shell: HookedShell) -> None:
    """`$?` and `$_` are those of the line before, not of the hook."""
    person = opened(shell)
    person.run("(exit 9)")
    person.run("echo status=$? some=word")
    person.run("echo last=$_")
    assert b"status=9" in person.shown
    assert b"last=some=word" in person.shown


@pytest.mark.parametrize("prompt", ["$", "x\\\\", "x\\", "\\\\\\$", "$(echo c)$"])
def test_a_prompt_of_the_person_is_shown_as_it_is(opened: Open, prompt: str) -> None:
    """Whatever it ends with: what the hook puts behind it is not drawn into it."""
    plain = {"$": b"$", "x\\\\": b"x\\", "x\\": b"x\\", "$(echo c)$": b"c$"}.get(prompt, b"\\")
    person = opened("bash")
    person.run(f"PS1='{prompt}' PS2='{prompt}'")
    person.run("echo one")
    person.type("echo 'two\r")
    person.until(lambda: person.gate.state is State.CONT)
    person.run("'")
    assert b"__gk" not in person.shown
    assert person.shown.count(b"2004h" + plain) >= 3


def test_an_exported_prompt_means_nothing_to_other_shells(opened: Open) -> None:
    """What the hook puts behind it is plain POSIX."""
    if shutil.which("dash") is None:
        pytest.skip("no dash")
    person = opened("bash")
    person.run("export PS1='P> '")
    person.type("dash\r")
    person.until(lambda: person.gate.state is State.RUN and person.shown.endswith(b"P> "))
    person.type("exit\r")
    person.prompt()
    assert b"ubstitution" not in person.shown


@pytest.mark.parametrize(
    "rc", ["", "autoload -Uz compinit; compinit -u\n", "t() { zle complete-word }; zle -N t; bindkey '^I' t\n"]
)
def test_tab_completes(opened: Open, rc: str) -> None:
    """In zsh: beside a substitution and in one, and again and again where several words fit."""
    if shutil.which("zsh") is None:
        pytest.skip("no zsh")
    person = opened("zsh", rc=rc)
    person.run("touch ab ac; mkdir dir; touch dir/one")
    person.type("echo $(cat dir/o\t")
    person.until(lambda: b"dir/one" in person.shown)
    person.run("; echo x) $(echo y) a\t\t")
    assert person.texts[-1] in (
        "echo $(cat dir/one; echo x) $(echo y) ab", "echo $(cat dir/one; echo x) $(echo y) ac",
    )  # fmt: skip
    assert not person.notes


def test_a_line_found_by_search_is_reported(opened: Open, shell: HookedShell) -> None:
    """The Enter that ends the search accepts nothing by itself."""
    person = opened(shell)
    person.run("touch first")
    person.run("true")
    person.run("\x12first")
    assert person.texts == ["touch first", "true", "touch first"]
    assert not person.notes


def test_a_widget_of_the_persons_may_accept_the_line(opened: Open) -> None:
    """By the widget that the hook replaced: reported as if by its key."""
    if shutil.which("zsh") is None:
        pytest.skip("no zsh")
    person = opened("zsh", rc="mine() { zle accept-line }; zle -N mine; bindkey '^T' mine\n")
    person.type("touch one\x14")
    person.until(lambda: person.made("one"))
    person.prompt()
    person.type("touch denied\x14")
    person.until(lambda: len(person.lines) == 2)
    for _ in range(3):
        person.pump()
    assert not person.made("denied")
    assert not person.notes


def test_what_bash_keeps_from_the_line_before_is_left_alone(opened: Open) -> None:
    """A match's groups stay, and an ERR trap runs once for a command that fails."""
    person = opened("bash")
    person.run("trap 'echo x >> failed' ERR")
    person.run("[[ abc =~ b(.) ]]")
    person.run("echo $BASH_REMATCH > matched")
    person.run("f() { false; true; }; f; false")
    person.run("true")
    assert (person.home / "matched").read_text() == "bc\n"
    assert (person.home / "failed").read_text() == "x\n"
