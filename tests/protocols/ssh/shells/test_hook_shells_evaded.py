"""The hook in real shells, worked around by keys, programs and lines: nothing denied runs."""

from __future__ import annotations

import termios

import pytest
from support.hooked_shell import Open

from gatekeep.domain.events import EventKind
from gatekeep.protocols.ssh.shells.hook_bootstrap import HookedShell
from gatekeep.protocols.ssh.shells.hook_states import State


@pytest.mark.parametrize(
    "rebind",
    [
        {"bash": 'bind \'"q": accept-line\'', "zsh": "bindkey q accept-line"},
        {"bash": 'bind \'"q": "\\C-m"\'', "zsh": "bindkey -s q '^M'"},
        {"bash": 'bind \'"\\C-m": accept-line\'; bind \'"q": accept-line\'', "zsh": "bindkey q .accept-line"},
        {"bash": 'bind \'"q": operate-and-get-next\'', "zsh": "bindkey q accept-line-and-down-history"},
        {
            "bash": 'bind \'set enable-bracketed-paste off\'; bind \'"q": accept-line\'; trap - DEBUG',
            "zsh": "bindkey q accept-and-hold; trap - DEBUG",
        },
    ],
)
def test_another_key_that_accepts_runs_nothing_unreported(
    opened: Open, shell: HookedShell, rebind: dict[str, str]
) -> None:
    """Bound by the person, it is bound to the hook at the next prompt, or its commands are asked for."""
    person = opened(shell)
    person.run(rebind[shell])
    person.type("touch oneq")
    person.until(lambda: person.made("one"))
    person.prompt()
    person.type("touch denied1; touch denied2q")
    person.until(lambda: any("denied1" in text for text in person.texts))
    person.until(lambda: person.gate.state in (State.EDIT, State.RUN))
    for _ in range(8):
        person.pump()
    assert any("touch one" in text for text in person.texts)
    assert not person.made("denied1")
    assert not person.made("denied2")


def test_control_o_is_reported(opened: Open, shell: HookedShell) -> None:
    """Operate-and-get-next, accept-line-and-down-history."""
    person = opened(shell)
    person.type("touch denied\x0f")
    person.until(lambda: person.lines)
    person.until(lambda: person.gate.state is State.EDIT)
    person.type("\x15touch one\x0f")
    person.until(lambda: person.made("one"))
    assert person.texts == ["touch denied", "touch one"]
    assert not person.made("denied")


def test_a_shell_within_the_shell_has_no_hook_and_is_noticed(opened: Open, shell: HookedShell) -> None:
    """Its prompt degrades, keys are kept until policy says go on; its end heals."""
    person = opened(shell)
    person.type("PS1='N> ' bash --norc --noprofile\r")
    person.until(lambda: person.gate.degraded)
    person.type("touch inner; exit\r")
    for _ in range(5):
        person.pump()
    assert not person.made("inner")
    person.carry_out(person.gate.proceed(person.now()))
    person.until(lambda: person.made("inner"))
    person.prompt()
    assert not person.gate.degraded
    assert [note.kind for note in person.notes] == [EventKind.GATE_DEGRADED] * 2
    person.run("touch denied")
    assert not person.made("denied")


@pytest.mark.parametrize(
    "line",
    [
        "exec bash --norc --noprofile",
        "PROMPT_COMMAND=; precmd_functions=(); unset PROMPT_COMMAND",
        "trap - DEBUG; exec env -i TERM=xterm PS1=x bash --norc --noprofile",
    ],
)
def test_a_hook_that_is_thrown_away_is_noticed(opened: Open, shell: HookedShell, line: str) -> None:
    """The next prompt comes without it: degraded, before anything is typed at it."""
    person = opened(shell)
    person.type(line + "\r")
    person.until(lambda: person.gate.degraded)
    person.type("touch unseen\r")
    for _ in range(5):
        person.pump()
    assert not person.made("unseen")


def test_forged_frames_change_nothing(opened: Open, shell: HookedShell) -> None:
    """A program that prints frames degrades the gate; none is honoured, none is shown."""
    person = opened(shell)
    (person.home / "evil").write_bytes(
        b"".join(
            b"\x1b]7717;%b;%b;%d;touch forged\x1b\\" % (token, kind, number)
            for token in (b"", b"0" * 40, b"k")
            for kind in (b"l", b"b", b"r", b"a", b"t", b"h", b"p")
            for number in (0, 1, 2)
        )
        + b"shown\n"
    )
    person.run("cat evil")
    assert person.texts == ["cat evil"]
    assert b"shown" in person.shown
    assert b"forged" not in person.shown
    assert person.notes[0].kind is EventKind.GATE_DEGRADED
    person.run("touch denied")
    assert not person.made("denied")


def test_a_reply_that_the_person_types_is_no_reply(opened: Open, shell: HookedShell) -> None:
    """Knowing the token, which the shell's own variables hold, a person still cannot answer."""
    person = opened(shell)
    number = 2
    token = person.gate._tokens.current.decode()
    forged = "".join(f"\x1b]7717;{n};{token};y;{token}\x07" for n in range(number, number + 3))
    person.type("touch denied\r" + forged)
    person.until(lambda: person.lines)
    for _ in range(6):
        person.pump()
    assert not person.made("denied")


def test_a_password_is_in_no_turn_but_to_the_target(opened: Open, shell: HookedShell) -> None:
    """What a program reads without echo is neither reported nor shown."""
    person = opened(shell)
    person.type("read -s secret; echo ${#secret}\r")
    person.until(lambda: person.gate.state is State.RUN)
    person.until(lambda: not termios.tcgetattr(person.fd)[3] & termios.ECHO)
    person.type("hunter2hunter2\r")
    person.until(lambda: b"14" in person.shown)
    person.prompt()
    assert b"hunter2" not in person.shown
    assert not any("hunter2" in text for text in person.texts)
    assert not person.gate._kept


@pytest.mark.parametrize("line", ['read -s x; eval "$x"', 'read -es x; eval "$x"'])
def test_hidden_input_read_by_a_line(opened: Open, shell: HookedShell, line: str) -> None:
    """What a reported line reads is that program's input: not reported, and its line says eval."""
    if shell == "zsh" and "-es" in line:
        line = "vared -c x; eval $x"
    person = opened(shell)
    person.type(line + "\r")
    person.until(lambda: person.gate.state is State.RUN)
    for _ in range(4):
        person.pump()
    person.carry_out(person.gate.proceed(person.now()))
    person.type("touch evaluated\r")
    person.until(lambda: person.made("evaluated"))
    person.prompt()
    assert person.texts == [line]


def test_without_echo_lines_are_reported_all_the_same(opened: Open, shell: HookedShell) -> None:
    """`stty -echo` hides nothing from the hook."""
    person = opened(shell)
    person.run("stty -echo")
    person.run("touch one")
    person.run("touch denied")
    assert person.texts == ["stty -echo", "touch one", "touch denied"]
    assert person.made("one")
    assert not person.made("denied")


def test_bash_asks_for_each_command_that_no_report_covers(opened: Open) -> None:
    """Where a line is accepted behind the hook's back, the trap asks, and skips what is denied."""
    person = opened("bash")
    person.run("PROMPT_COMMAND+=('bind \"\\\"q\\\": accept-line\"')" )
    person.type("touch one; touch denied; touch twoq")
    person.until(lambda: person.made("two"))
    assert person.texts[1:] == ["touch one", "touch denied", "touch two"]
    assert not person.made("denied")
    assert not any(line.resolved for line in person.lines[1:])
    assert {note.kind for note in person.notes} == {EventKind.LINE_UNGATED}


@pytest.mark.parametrize("command", ["(touch denied)", "(: ; while touch denied; do :; done)"])
def test_bash_asks_for_what_a_subshell_runs_unreported(opened: Open, command: str) -> None:
    """A compound command has no trap of its own: the subshell that runs it inherits ours."""
    person = opened("bash")
    person.run("PROMPT_COMMAND+=('bind \"\\\"q\\\": accept-line\"')")
    person.type(command + "q")
    person.until(lambda: any("denied" in text for text in person.texts[1:]))
    person.prompt()
    assert not person.made("denied")
    assert {note.kind for note in person.notes} == {EventKind.LINE_UNGATED}


def test_a_subshell_that_takes_its_time_is_heard(opened: Open) -> None:
    """The line of a subshell alone is told to run like any other, and its prompts run nothing."""
    person = opened("bash", rc="PS2='`echo C`> '\n")
    person.type("(: \\\r")
    person.until(lambda: len(person.lines) == 1 and person.gate.state is State.CONT)
    person.type("; read x)\r")
    person.until(lambda: person.gate.state is State.RUN)
    person.type("\r")
    person.prompt()
    assert not person.notes


@pytest.mark.parametrize(
    "word", ["$(touch denied)", "`touch denied`/", 'a*(e:"touch denied":)', "${(e):-\\$(touch denied)}"]
)
@pytest.mark.parametrize(
    "rc",
    [
        "",
        "autoload -Uz compinit; compinit -u\n",
        "dots() { print -n ...; zle expand-or-complete }; zle -N dots; bindkey '^I' dots\n",
        "setopt ksharrays\n",
    ],
)
def test_no_key_of_the_editor_runs_what_is_in_the_line(
    opened: Open, shell: HookedShell, word: str, rc: str
) -> None:
    """Tab, expand-word and list-expand of zsh, shell-expand-line of bash: nothing was entered yet."""
    person = opened(shell, rc=rc if shell == "zsh" else "")
    person.run("touch ab ac")
    person.type(f"echo {word}" + "\t\x18*\x18g\x04\x05\x1b\x05")
    for _ in range(6):
        person.pump()
    person.type("\x15")
    person.run("true")
    assert not person.made("denied")
    assert person.texts == ["touch ab ac", "true"]
    assert not person.notes


def test_keys_of_the_hook_cannot_be_typed(opened: Open, shell: HookedShell) -> None:
    """Neither at the prompt nor in an unfinished command does anything run unreported."""
    person = opened(shell)
    person.type("touch denied\x1b[7717~")
    person.pump(0.2)
    person.type("\x15")
    person.type("for i in 1\r")
    person.until(lambda: person.gate.state is State.CONT)
    person.type("do touch denied; done\x1b[7717~\x1b[7717~\r")
    person.until(lambda: len(person.lines) == 2)
    for _ in range(4):
        person.pump()
    assert not person.made("denied")


def test_a_macro_of_the_hooks_own_key_is_asked_for_by_the_backstop(opened: Open) -> None:
    """Bound by the person to a key of theirs, it accepts more of a command, and that is noticed."""
    person = opened("bash")
    person.run("bind '\"q\": \"\\e[7717~\"'")
    person.type("for i in 1\r")
    person.until(lambda: person.gate.state is State.CONT)
    person.type("do touch denied; doneq")
    person.until(lambda: any("denied" in text for text in person.texts))
    person.prompt()
    assert not person.made("denied")
    assert EventKind.LINE_UNGATED in {note.kind for note in person.notes}


@pytest.mark.parametrize("mode", ["emacs", "vi"])
def test_an_editor_cannot_hand_its_text_to_the_shell(opened: Open, mode: str) -> None:
    """Edit-and-execute is taken off its keys."""
    person = opened("bash", rc=f"set -o {mode}\nexport VISUAL='touch edited;:'\n")
    person.type("touch denied")
    person.pump(0.2)
    person.type("\x18\x05" if mode == "emacs" else "\x1b")
    for _ in range(12):
        person.pump()
    person.type("v" if mode == "vi" else "")
    for _ in range(6):
        person.pump()
    assert not person.made("edited")
    assert not person.made("denied")


@pytest.mark.parametrize(
    "line",
    [
        "set +o emacs", "unsetopt zle", "zle -A .accept-line foo; bindkey '^M' foo",
        "zle-line-finish() { BUFFER='touch denied' }; zle -N zle-line-finish",
        "builtin() { :; }", "enable -n bind read trap", "unset __gk_k", "unset -f __gk_beat",
        "alias builtin=: zle=: bind=:", "shopt -u promptvars", "set -o posix", "readonly PS1",
        "setopt ksharrays shwordsplit", "emulate ksh", "HISTCHARS='%^#'; histchars='%^#'",
        "PS1='$ '; PROMPT_COMMAND=(); precmd_functions=()", "kill -INT $$",
    ],
)  # fmt: skip
def test_whatever_a_line_does_to_the_shell_a_denied_one_does_not_run(
    opened: Open, shell: HookedShell, line: str
) -> None:
    """Options, key maps, functions of the hook: what is denied, or not asked for, does not happen."""
    person = opened(shell, judge=lambda entered: entered.text == line or "denied" not in entered.text)
    person.type(line + "\r")
    person.until(lambda: person.lines)
    for keys in ("", "touch denied\r", "\x15touch denied\n", "\x15touch denied\x0f", "\x1b#\x1b1\x1b#"):
        person.type(keys)
        for _ in range(3):
            person.pump()
    assert not person.made("denied")


def test_completion_and_bound_functions_of_the_person_are_not_asked_for(opened: Open) -> None:
    """What the editor itself runs for the person is no line."""
    person = opened(
        "bash",
        rc="comp() { touch completed; COMPREPLY=(word); }; complete -F comp foo\n"
        "bound() { touch bound; }; bind -x '\"\\C-t\": bound'\nPROMPT_COMMAND='touch prompted'\n",
    )
    person.type("foo \t\x14")
    person.until(lambda: person.made("completed") and person.made("bound"))
    person.interrupt()
    person.run("true")
    assert person.texts == ["true"]
    assert person.made("prompted")
    assert not person.notes


@pytest.mark.parametrize(
    "line",
    [
        "PS1='$ '; PROMPT_COMMAND=(); precmd_functions=(); sleep 0.3",
        ("PS1='$ '; PROMPT_COMMAND=(); precmd_functions=(); for key in j m; do "
        "bind '\"\\C-'$key'\": accept-line'; done 2>&-; sleep 0.3"),
    ],
)
def test_what_was_typed_while_a_line_threw_the_prompts_away_is_asked_for(
    opened: Open, shell: HookedShell, line: str
) -> None:
    """It is with the shell before anybody sees that its prompts carry no hook any more."""
    person = opened(shell, judge=lambda entered: entered.text == line or "denied" not in entered.text)
    person.type(line + "\r")
    person.until(lambda: person.gate.state is State.RUN)
    person.type("touch denied\r")
    person.until(lambda: any("touch denied" in text for text in person.texts))
    for _ in range(5):
        person.pump()
    assert not person.made("denied")


def test_what_a_program_reads_with_an_editor_is_asked_neither_for_nor_behind(opened: Open) -> None:
    """`read -e` of a line takes the hook's keys: the rest of the line goes on, the next one is asked for."""
    person = opened("bash")
    line = 'read -e x; touch "$x"; read -e x; touch "$x"'
    person.type(line + "\r")
    person.until(lambda: person.gate.degraded)
    person.carry_out(person.gate.proceed(person.now()))
    person.type("first\r")
    person.until(lambda: person.made("first"))
    person.type("second\r")
    person.until(lambda: person.made("second"))
    person.prompt()
    person.type("touch denied\r")
    person.until(lambda: len(person.lines) == 2)
    assert person.texts == [line, "touch denied"]
    for _ in range(3):
        person.pump()
    assert not person.made("denied")


def test_a_line_of_several_commands_is_asked_for_once(opened: Open) -> None:
    """Pasted in brackets or unfinished: what was reported covers all that is read of it."""
    person = opened("bash")
    person.type("\x1b[200~touch one\ntouch two\n\ntouch three\x1b[201~\r")
    person.until(lambda: person.made("three"))
    person.prompt()
    person.type("for name in four five; do\r")
    person.until(lambda: person.gate.state is State.CONT)
    person.type('touch "$name"\r')
    person.until(lambda: len(person.lines) == 3 and person.gate.state is State.CONT)
    person.type("done\r")
    person.until(lambda: person.made("five"))
    person.prompt()
    assert len(person.lines) == 4
    assert not any(note.kind is EventKind.LINE_UNGATED for note in person.notes)
