"""A terminal with the shell's hook: where the hook is lost, the policy is asked whether to go on."""

from __future__ import annotations

from gatekeep.domain.commands import Assurance
from gatekeep.protocols.ssh.shells.hook import HELLO_MS
from gatekeep.protocols.ssh.shells.turns import (
    CloseChannel,
    LineEntered,
    LineWithdrawn,
    Tell,
    ToTarget,
)
from gatekeep.proxies.ssh.hooked import LOST, HookedTerminal


def lost() -> tuple[HookedTerminal, LineEntered]:
    """A terminal whose hook never said hello, and the question that follows."""
    gate = HookedTerminal("bash", bytes(32), 0)
    assert not [one for one in gate.receive_client(b"ls\r", 10) if isinstance(one, ToTarget)]
    given = gate.tick(HELLO_MS + 1)
    (question,) = [one for one in given if isinstance(one, LineEntered)]
    return gate, question


def test_a_lost_hook_is_a_question_about_what_cannot_be_known() -> None:
    """Opaque, without a text, and asked once."""
    gate, question = lost()
    assert question.tags == {LOST}
    assert question.assurance is Assurance.OPAQUE
    assert question.text == ""
    assert not [one for one in gate.tick(HELLO_MS + 2) if isinstance(one, LineEntered)]


def test_denied_it_ends_the_terminal() -> None:
    """Not a key of what was typed has reached the target."""
    gate, question = lost()
    given = gate.answer(question.id, allowed=False, now_ms=HELLO_MS + 5, words=("gatekeep: no",))
    assert isinstance(given[-1], CloseChannel)
    assert not [one for one in given if isinstance(one, ToTarget)]


def test_allowed_the_kept_keys_go_on() -> None:
    """What the person typed meanwhile reaches the shell."""
    gate, question = lost()
    given = gate.answer(question.id, allowed=True, now_ms=HELLO_MS + 5)
    assert b"ls" in b"".join(one.data for one in given if isinstance(one, ToTarget))


def test_an_answer_to_another_question_is_none() -> None:
    """A question that is no longer open opens nothing."""
    gate, question = lost()
    assert gate.answer(question.id - 1, allowed=True, now_ms=HELLO_MS + 5) == ()


def test_while_a_person_decides_on_going_on_ctrl_c_ends_the_terminal() -> None:
    """The question is withdrawn, and a late answer opens nothing."""
    gate, question = lost()
    (told,) = gate.waiting(question.id, HELLO_MS + 5, ("gatekeep: waiting",))
    assert isinstance(told, Tell)
    assert told.words == ("gatekeep: waiting",)
    assert gate.digest(question.id) == LOST
    assert gate.receive_client(b"x", HELLO_MS + 6) == []
    (told,) = gate.reminded(question.id, HELLO_MS + 7, ("gatekeep: 13 min left",))
    assert isinstance(told, Tell)
    given = gate.receive_client(b"\x03", HELLO_MS + 8)
    assert given[0] == LineWithdrawn(question.id)
    assert isinstance(given[1], CloseChannel)


def test_before_it_was_asked_of_a_person_ctrl_c_is_a_key() -> None:
    """Kept like others: the policy answers at once."""
    gate, question = lost()
    assert gate.receive_client(b"\x03", HELLO_MS + 6) == []
    assert gate.waiting(question.id - 1, HELLO_MS + 7, ("gatekeep: no",)) == ()
    assert gate.digest(question.id - 1) == ""
