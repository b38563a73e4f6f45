"""HookGate without a shell: each state, each deadline, and what hostile peers cannot do."""

from __future__ import annotations

import pytest
from support.spoken_hook import KEY, Shell

from gatekeep.domain.events import EventKind
from gatekeep.protocols.ssh.shells.hook import HookGate
from gatekeep.protocols.ssh.shells.hook_states import (
    ACKNOWLEDGE_MS,
    HELLO_MS,
    MAX_KEPT_BYTES,
    MAX_LINE_BYTES,
    SILENT_MS,
    UNMARKED_MS,
    State,
)
from gatekeep.protocols.ssh.shells.turns import (
    CloseChannel,
    Finished,
    LineEntered,
    LineWithdrawn,
    Note,
    Tell,
    ToClient,
    ToTarget,
)


@pytest.fixture
def shell() -> Shell:
    """At its first prompt."""
    shell = Shell()
    shell.frame(b"h", b"bash 5.2")
    shell.frame(b"a")
    shell.prompt()
    assert shell.gate.state is State.EDIT
    shell.turns.clear()
    return shell


def test_nothing_typed_passes_before_the_hook_is_there() -> None:
    """It is kept, and comes behind the acknowledgement."""
    shell = Shell()
    assert shell.typed(b"early") == []
    shell.frame(b"h", b"bash")
    assert shell.frame(b"a") == [ToTarget(b"early")]


def test_the_key_never_leaves_and_each_token_is_new(shell: Shell) -> None:
    """Tokens differ by reply and by key; the key is in no turn."""
    tokens = {shell.token}
    for n in range(1, 6):
        shell.frame(b"l", b"true")
        shell.answer(n, allowed=True)
        tokens.add(shell.token)
        shell.frame(b"a")
        shell.prompt()
    assert len(tokens) == 6
    assert all(KEY.hex() not in repr(turn) and KEY not in repr(turn).encode() for turn in shell.turns)
    other = HookGate("bash", b"x" * 32, 0)
    assert shell.token not in repr(other.receive_target(b"\x1b]7717;;h;1;b\x1b\\", 0)).encode()


def test_a_line_waits_and_its_end_is_told(shell: Shell) -> None:
    """LineEntered, answer, acknowledged, run, prompt: Finished with the status."""
    (entered,) = shell.frame(b"l", b"ls -l")
    assert isinstance(entered, LineEntered)
    assert (entered.id, entered.text, entered.resolved) == (1, "ls -l", True)
    assert shell.typed(b"more") == []
    (reply,) = shell.answer(1, allowed=True)
    assert b";y;" in reply.data
    assert shell.typed(b"!") == []
    assert shell.frame(b"a", b"before") == [ToTarget(b"beforemore!")]
    shell.frame(b"r")
    assert shell.gate.state is State.RUN
    assert Finished(1, 3) in shell.prompt(3)


def test_behind_a_denied_line_what_was_typed_is_dropped(shell: Shell) -> None:
    """With a bell, because it counted on that line."""
    shell.frame(b"l", b"rm")
    shell.typed(b"y\r")
    shell.answer(1, allowed=False)
    assert shell.frame(b"x", b"yes%0D") == [Tell(b"\x07")]
    assert shell.gate.state is State.EDIT
    assert shell.typed(b"ok") == [ToTarget(b"ok")]


def test_an_allowed_line_that_the_shell_gave_up_is_told_as_not_run(shell: Shell) -> None:
    """Ctrl-C had reached the shell first."""
    shell.frame(b"l", b"rm")
    shell.answer(1, allowed=True)
    assert Finished(1, None) in shell.frame(b"x")
    assert shell.gate.state is State.EDIT


def test_ctrl_c_withdraws_and_a_late_answer_is_nothing(shell: Shell) -> None:
    """What was typed before it is dropped, what came behind it is kept."""
    shell.frame(b"l", b"rm")
    shell.typed(b"dropped")
    turns = shell.typed(b"also\x03kept")
    assert turns[0] == LineWithdrawn(1)
    assert b";c;" in turns[1].data
    assert shell.answer(1, allowed=True) == []


def test_while_held_keys_are_refused_with_a_bell(shell: Shell) -> None:
    """No hidden type-ahead behind a line that waits for a person; words say so once."""
    shell.frame(b"l", b"rm")
    shell.typed(b"before")
    assert shell.gate.hold(1) == [Tell(b"\x07")]
    words, bell = shell.typed(b"x")
    assert words.words == ("gatekeep: held; other keys are ignored until it is decided",)
    assert bell == Tell(b"\x07")
    assert shell.typed(b"x") == [Tell(b"\x07")]
    shell.answer(1, allowed=True)
    assert shell.frame(b"a") == []


def test_a_held_line_says_who_decides_and_later_that_it_still_waits(shell: Shell) -> None:
    """Whole lines where the shell's editor stands; of a line that waits no more nothing is said."""
    shell.frame(b"l", b"rm")
    (told,) = shell.gate.hold(1, ("gatekeep: waiting",))
    assert told == Tell(b"gatekeep: waiting\r\n", ("gatekeep: waiting",))
    (told,) = shell.gate.hold(1, ("gatekeep: still waiting",))
    assert told.words == ("gatekeep: still waiting",)
    shell.answer(1, allowed=False)
    assert shell.gate.hold(1, ("gatekeep: late",)) == []


@pytest.mark.parametrize("key", [b"\x03", b"\x04"])
def test_a_held_line_is_withdrawn_by_both_keys_that_leave(shell: Shell, key: bytes) -> None:
    """C-d, too, once a person decides; before that it is a key like others."""
    shell.frame(b"l", b"rm")
    assert shell.typed(b"\x04") == []
    shell.gate.hold(1)
    withdrawn, told, reply = shell.typed(key)
    assert withdrawn == LineWithdrawn(1)
    assert told.words == ("gatekeep: withdrawn", "gatekeep: nothing was run")
    assert b";c;" in reply.data
    assert shell.answer(1, allowed=True) == []


def test_the_digest_of_a_line_is_there_while_it_waits(shell: Shell) -> None:
    """Of the bytes that the shell reported, and of nothing else."""
    (entered,) = shell.frame(b"l", b"rm")
    assert shell.gate.digest(entered.id) == entered.digest
    assert shell.gate.digest(entered.id + 1) == ""
    shell.answer(1, allowed=True)
    assert shell.gate.digest(entered.id) == ""


def test_an_empty_line_needs_no_answer(shell: Shell) -> None:
    """At a first prompt; behind an unfinished one it is asked for."""
    (reply,) = shell.frame(b"l", b"  ")
    assert b";y;" in reply.data
    shell.frame(b"a")
    shell.prompt()
    assert shell.gate.state is State.EDIT
    shell.frame(b"l", b"rm x \\")
    shell.answer(shell.turns[-1].id, allowed=True)
    shell.frame(b"a")
    shell.shown(b"\x1b[?2004l\r\n\x1b[?2004h> ")
    assert shell.gate.state is State.CONT
    (entered,) = shell.frame(b"l", b"")
    assert entered.text == "rm x \\\n"


def test_a_line_in_parts_is_joined_and_one_too_long_is_refused(shell: Shell) -> None:
    """Frames are short; a line has a limit."""
    shell.frame(b"p", b"ab", number=2)
    shell.frame(b"p", b"cd", number=2)
    (entered,) = shell.frame(b"l", b"ef")
    assert entered.text == "abcdef"
    shell.answer(entered.id, allowed=False)
    shell.frame(b"x")
    for _ in range(MAX_LINE_BYTES // 3000 + 1):
        shell.frame(b"p", b"x" * 3000, number=3)
    tell, reply = shell.frame(b"l", b"")
    assert b"over 256 KiB" in tell.data
    assert b";n;" in reply.data


def test_bytes_that_are_no_text_are_not_resolved(shell: Shell) -> None:
    """The digest is that of the bytes; the text is for people."""
    (entered,) = shell.frame(b"l", b"echo \xff")
    assert not entered.resolved
    assert entered.text == "echo \ufffd"


def test_the_backstop_is_noted_and_asks(shell: Shell) -> None:
    """The token stays, for it may be a subshell that asks."""
    token = shell.token
    note, entered = shell.frame(b"t", b"rm x")
    assert note.kind is EventKind.LINE_UNGATED
    assert entered.tags == {"unreported"}
    shell.answer(entered.id, allowed=False)
    assert shell.token == token
    shell.frame(b"a")
    assert shell.gate.state is State.EDIT


@pytest.mark.parametrize("kind", [b"l", b"b", b"t", b"r", b"a", b"x", b"p", b"h", b"?", b"zz"])
def test_a_wrong_token_degrades_and_changes_nothing(shell: Shell, kind: bytes) -> None:
    """Whatever a program prints, the gate stays where it was and keeps what is typed."""
    for token in (b"", b"0" * 40, shell.token[:-1], shell.token + b"0"):
        state = shell.gate.state
        turns = shell.shown(b"\x1b]7717;%b;%b;1;x\x1b\\" % (token, kind))
        assert [turn for turn in turns if not isinstance(turn, Note)] == []
        assert shell.gate.state is state
    assert shell.gate.degraded
    assert shell.typed(b"kept") == []
    assert shell.gate.proceed(0) == [ToTarget(b"kept")]
    shell.prompt()
    assert not shell.gate.degraded


def test_a_late_word_of_an_earlier_cycle_is_no_forgery(shell: Shell) -> None:
    """A subshell in the background may say that it runs, with the token of its time."""
    old = shell.token
    shell.frame(b"l", b"x &")
    shell.answer(1, allowed=True)
    shell.frame(b"a")
    shell.prompt()
    assert shell.shown(b"\x1b]7717;%b;r;0;\x1b\\" % old) == []
    assert not shell.gate.degraded
    shell.shown(b"\x1b]7717;%b;b;0;\x1b\\" % old)
    assert shell.gate.degraded


def test_a_prompt_without_the_hook_degrades_once(shell: Shell) -> None:
    """Keys are kept until policy lets them pass or the hook is back."""
    shell.frame(b"l", b"exec bash --norc")
    shell.answer(1, allowed=True)
    shell.frame(b"a")
    shell.frame(b"r")
    turns = shell.shown(b"\x1b[?2004h$ ")
    assert [turn.kind for turn in turns if isinstance(turn, Note)] == [EventKind.GATE_DEGRADED]
    assert shell.typed(b"rm\r") == []
    assert shell.shown(b"\x1b[?2004h$ ") == [ToClient(b"\x1b[?2004h$ ")]
    turns = shell.prompt()
    assert ToTarget(b"rm\r") in turns
    assert not shell.gate.degraded


def test_a_program_with_the_whole_screen_is_opaque_and_no_prompt(shell: Shell) -> None:
    """Begun and ended once each; behind it, a prompt without the hook is one."""
    assert len(shell.shown(b"\x1b[?1049h\x1b[?1049l")) == 1
    shell.frame(b"l", b"vim")
    shell.answer(1, allowed=True)
    shell.frame(b"a")
    shell.frame(b"r")
    turns = shell.shown(b"\x1b[?1049h\x1b[?2004h\x1b[?1049h")
    assert [turn.kind for turn in turns[1:]] == [EventKind.OPAQUE_BEGAN]
    assert not shell.gate.degraded
    assert shell.typed(b"i") == [ToTarget(b"i")]
    turns = shell.shown(b"\x1b[?2004l\x1b[?1049l\x1b[?2004h")
    assert [turn.kind for turn in turns[1:]] == [EventKind.OPAQUE_ENDED, EventKind.GATE_DEGRADED]
    shell.shown(b"\x1b[?1049h")
    assert shell.gate.opaque
    assert EventKind.OPAQUE_ENDED in {turn.kind for turn in shell.prompt() if isinstance(turn, Note)}


def test_a_line_accepted_without_a_report_is_noted(shell: Shell) -> None:
    """Unless Ctrl-C or Ctrl-D was typed, which end a line, too."""
    shell.typed(b"q")
    (_, note) = shell.shown(b"\x1b[?2004l")
    assert note.kind is EventKind.LINE_UNGATED
    shell.prompt()
    shell.typed(b"\x03")
    assert len(shell.shown(b"\x1b[?2004l")) == 1


def test_a_control_c_typed_before_more_of_a_command_is_asked_for_leaves_it(shell: Shell) -> None:
    """It reaches the prompt for more: what ends there was no line."""
    shell.prompt()
    shell.frame(b"l", b"for i in 1")
    shell.answer(1, allowed=True)
    shell.frame(b"a")
    assert shell.gate.state is State.RELEASED
    shell.typed(b"\x03")
    shell.shown(b"\x1b[?2004h> ")
    assert len(shell.shown(b"\x1b[?2004l")) == 1


def test_deadlines() -> None:
    """No hello, no acknowledgement, an Enter that is not reported where nothing marks editing."""
    shell = Shell()
    assert shell.gate.deadline_ms == HELLO_MS
    assert shell.gate.tick(HELLO_MS - 1) == []
    (note,) = shell.gate.tick(HELLO_MS)
    assert note.payload["cause"] == "the hook did not start"
    shell.frame(b"h", b"late")
    assert shell.gate.deadline_ms == ACKNOWLEDGE_MS
    shell.frame(b"a")
    shell.frame(b"b", number=0)
    shell.typed(b"x\r")
    assert shell.gate.deadline_ms == UNMARKED_MS
    assert [turn.kind for turn in shell.gate.tick(UNMARKED_MS)] == [EventKind.GATE_DEGRADED]
    shell.frame(b"b", number=0)
    shell.frame(b"l", b"rm")
    shell.answer(1, allowed=True)
    turns = shell.gate.tick(ACKNOWLEDGE_MS)
    assert isinstance(turns[-1], CloseChannel)
    assert shell.typed(b"x") == []


def test_a_released_line_that_is_never_heard_of_again_degrades(shell: Shell) -> None:
    """It neither runs, nor ends, nor goes on: the hook is gone."""
    shell.frame(b"l", b"builtin() { :; }")
    shell.answer(1, allowed=True)
    shell.frame(b"a")
    assert shell.gate.deadline_ms == SILENT_MS
    (note,) = shell.gate.tick(SILENT_MS)
    assert note.kind is EventKind.GATE_DEGRADED


def test_too_much_typed_ahead_closes(shell: Shell) -> None:
    """What is kept is bounded, whether it was typed or given back by the shell."""
    shell.frame(b"l", b"x")
    turns = shell.typed(b"y" * (MAX_KEPT_BYTES + 1))
    assert isinstance(turns[-1], CloseChannel)
    assert LineWithdrawn(1) in turns


def test_what_was_kept_goes_out_line_by_line(shell: Shell) -> None:
    """The next at the next prompt; all of it when none comes, for then a program reads it."""
    shell.frame(b"l", b"x")
    shell.typed(b"one\rtwo\rthree\rfour\r")
    shell.answer(1, allowed=True)
    assert shell.frame(b"a")[-1] == ToTarget(b"one\r")
    assert shell.typed(b"five\r") == []
    shell.frame(b"r")
    assert ToTarget(b"two\r") in shell.prompt()
    due = shell.gate.deadline_ms
    assert due is not None
    assert shell.gate.tick(due - 1) == []
    assert shell.gate.tick(due) == [ToTarget(b"three\rfour\rfive\r")]
    assert shell.typed(b"six") == [ToTarget(b"six")]


def test_ctrl_c_drops_what_has_not_gone_out(shell: Shell) -> None:
    """As a terminal does with what was typed ahead."""
    shell.frame(b"l", b"x")
    shell.typed(b"one\rtwo\r")
    shell.answer(1, allowed=True)
    shell.frame(b"a")
    assert shell.typed(b"\x03") == [ToTarget(b"\x03")]
    assert shell.prompt()[-1] == ToClient(b"\x1b[?2004h$ ")


def test_the_end_of_the_target_settles_all(shell: Shell) -> None:
    """What is kept of its output is shown, a released line is told, a waiting one withdrawn."""
    shell.frame(b"l", b"exit")
    shell.answer(1, allowed=True)
    shell.frame(b"a")
    assert shell.shown(b"bye\x1b]77") == [ToClient(b"bye")]
    assert shell.gate.target_ended() == [ToClient(b"\x1b]77"), Finished(1, None)]
