"""Words for SSH clients: whole printable lines, prefixed, that say what was not done."""

from __future__ import annotations

from gatekeep.messages import RuleWords, no_such_target
from gatekeep.messages import ssh as words

RULE = RuleWords("prod-no-recursive-delete", "remove data through its owner", "team storage")


def test_a_refusal_reads_as_designed() -> None:
    """What, why and who, and what was not done, one line each."""
    assert words.command_refused("rm -rf /var/lib", "web-1", RULE) == (
        'gatekeep: policy does not allow "rm -rf /var/lib" on web-1',
        "gatekeep: rule prod-no-recursive-delete: remove data through its owner (owner team storage)",
        "gatekeep: nothing was run",
    )


def test_what_people_wrote_cannot_write_on_the_terminal() -> None:
    """Controls in a command, a reason or a name are shown, not sent."""
    hostile = "\x1b]52;c;aGk=\x07\u202e"
    told = "".join(words.command_refused(hostile, "web-1", RuleWords("r", hostile, hostile)))
    assert told.isprintable()
    assert words.session_ended(hostile).isprintable()
    assert "".join(words.lines_of(no_such_target(hostile, "alice", ["web-1"]))).isprintable()


def test_no_rule_is_said_so() -> None:
    """Nothing permitted it: there is no rule to name."""
    assert words.shell_refused("web-1", RuleWords(""))[1] == "gatekeep: no rule permits it"


def test_who_lacks_a_second_factor_for_an_agent_is_told_what_it_takes() -> None:
    """One line: the command itself runs all the same."""
    assert words.agent_needs_second_factor() == (
        "gatekeep: your agent is not forwarded: that needs a second factor at sign-in",
    )
