"""Command lines as facts: a corpus looked at by hand, and what must hold for any text."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatekeep.domain.commands import EXEC, LINE, OPAQUE
from gatekeep.protocols.ssh.commands.command import CommandReading, command_action, read_command

CORPUS: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parents[2] / "corpora" / "commands.yaml").read_text()
)
_PIECES = """rm ls $x ' " ` $( ) ( { } ; | & < > << E if then fi for do done case esac [[ ]] (( )) sudo bash -c xargs find -exec
= a=b $' ! * ~ /etc/shadow é eval \\"""
_PARTS = st.sampled_from([*_PIECES.split(), "\n", "\0", "\r", "\x7f", " "])
_ANY_TEXT = st.one_of(st.text(max_size=200), st.lists(_PARTS, max_size=40).map(" ".join),
                      st.lists(_PARTS, max_size=40).map("".join))  # fmt: skip


def programs(reading: CommandReading) -> list[str]:
    """The programs found, `?` for those that are not known."""
    return [one.program or "?" for one in reading.facts if one.action != OPAQUE]


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case["line"])
def test_each_line_of_the_corpus_is_read_as_written_there(case: dict[str, Any]) -> None:
    """Programs, tags, and how surely they are known."""
    reading = read_command(case["line"])
    assert programs(reading) == case["programs"]
    assert sorted(reading.tags) == sorted(case["tags"])
    assert reading.resolved is case.get("sure", True)
    assert all(one.complete for one in reading.facts) is case.get("whole", True)
    assert reading.complete_input is not case.get("more", False)


def test_the_corpus_is_large_and_nothing_in_it_stands_twice() -> None:
    """More than two hundred lines, each once."""
    lines = [case["line"] for case in CORPUS]
    assert len(lines) == len(set(lines)) > 400


@settings(max_examples=400, deadline=None)
@given(_ANY_TEXT, st.sampled_from([EXEC, LINE]), st.sampled_from(["bash", "sh", "/bin/zsh", "fish"]))
def test_no_text_makes_it_raise(text: str, action: str, shell: str) -> None:
    """Every text has at least one fact, of the action asked for or opaque."""
    reading = read_command(text, action=action, login_shell=shell)
    assert reading.facts
    assert {one.action for one in reading.facts} <= {action, OPAQUE}


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(st.one_of(_ANY_TEXT, st.sampled_from([case["line"] for case in CORPUS])))
def test_what_is_added_to_a_readable_line_is_seen(text: str) -> None:
    """Behind any line that was read for sure, `rm -rf /` is destructive."""
    before = read_command(text)
    after = read_command(f"{text}\nrm -rf /")
    if before.resolved and before.complete_input and after.resolved:
        assert "destructive" in after.tags
    later = read_command(f"{text}; rm -rf /")
    if before.resolved and before.complete_input and later.resolved and "#" not in text:
        assert "destructive" in later.tags


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([case["line"] for case in CORPUS if case.get("sure", True)]),
       st.sampled_from(["sudo bash -c %s", "eval %s", "sh -c %s", "env FOO=1 bash -c %s", "nohup bash -c %s"]))  # fmt: skip
def test_a_wrapper_takes_nothing_away(line: str, wrapper: str) -> None:
    """A line inside `bash -c` has at least the tags that it has by itself."""
    quoted = "'" + line.replace("'", "'\\''") + "'"
    inside = read_command(wrapper % quoted)
    missing = read_command(line).tags - inside.tags - {"reads_only"}
    assert not missing or not inside.resolved


@pytest.mark.parametrize(
    "text",
    ["(" * 100_000, "$(" * 50_000, "a|" * 50_000, "a()" * 30_000, "`" * 100_000, '"$(' * 30_000, "{ " * 50_000,
     "cat <<A\n" * 10_000, "x" * 300_000, "ls;" * 100_000, "if a; then " * 10_000, "\ud800", "eval " * 3_000 + "ls",
     "sudo " * 2_000 + "ls", "${" * 30_000, "a=(" * 30_000, "case a in " * 10_000],
    ids=lambda text: repr(text[:12]),
)  # fmt: skip
def test_what_is_too_much_is_opaque_and_soon(text: str) -> None:
    """Size, depth and repetition cannot crash the reader or hold it up; such a line is not resolved."""
    began = time.process_time()
    reading = read_command(text)
    assert time.process_time() - began < 5
    assert not reading.resolved
    assert any(one.action == OPAQUE for one in reading.facts)


def test_a_thousand_levels_raise_no_recursion_error() -> None:
    """Deep nesting is refused before a walk over it could begin; below the bound it is read."""
    assert not read_command("$(" * 1000 + "ls" + ")" * 1000).resolved
    deep = read_command("$(" * 100 + "rm x" + ")" * 100)
    assert "destructive" in deep.tags


def test_text_wrapped_too_often_is_opaque() -> None:
    """`bash -c` inside `bash -c` inside …: at some depth nobody looks further, and says so."""
    text = "ls"
    for _ in range(14):
        text = "bash -c '" + text.replace("'", "'\\''") + "'"
    assert any(one.action == OPAQUE for one in read_command(text).facts)


@pytest.mark.parametrize("shell", ["zsh", "/usr/bin/fish", "csh", "powershell", "ksh"])
def test_another_shell_reads_otherwise(shell: str) -> None:
    """Facts by bash's grammar are only worth what the account's shell makes of them (12-threats H8)."""
    reading = read_command("ls", login_shell=shell)
    assert not reading.resolved
    assert [one.action for one in reading.facts] == [EXEC, OPAQUE]


@pytest.mark.parametrize("text", ["ls &> x", "$'rm' x", "ls {a,b}", "cat <(ls)", "[[ a ]]", "cat <<< x"])
def test_what_only_bash_reads_so_is_not_sure_in_sh(text: str) -> None:
    """Where the account's shell is sh, words of bash mean something else."""
    assert read_command(text).resolved
    assert not read_command(text, login_shell="sh").resolved


def test_recalled_history_makes_a_typed_line_uncertain() -> None:
    """`!` puts earlier words in, in a line and only there; quotes and blanks keep it from that."""
    for text in ("!rm", "ls !$", 'echo "a!b"', "^a^b", "ls a!x"):
        reading = read_command(text, action=LINE)
        assert "history_expansion" in reading.tags
        assert not reading.resolved
        assert "history_expansion" not in read_command(text).tags
    for text in ("ls '!rm'", "! ls", "[ a != b ]", "echo \\!x", "echo a!", 'echo "it\'s"'):
        assert "history_expansion" not in read_command(text, action=LINE).tags


def test_pagers_open_where_there_is_a_terminal() -> None:
    """`git log` pages in a typed line, and does not where its output goes to the channel."""
    assert "opens_opaque" in read_command("git log", action=LINE).tags
    assert "opens_opaque" not in read_command("git log").tags
    assert "opens_opaque" in read_command("git log", terminal=True).tags
    assert "opens_opaque" not in read_command("journalctl --no-pager -u x", terminal=True).tags


def test_facts_carry_words_flags_and_paths() -> None:
    """What rules can speak about."""
    (fact,) = read_command("/bin/rm -rf --one-file-system=x /srv/./a ../etc/b ~/c").facts
    assert fact.program == "rm"
    assert fact.argv[:2] == ("rm", "-rf")
    assert fact.flags == {"-rf", "-r", "-f", "--one-file-system=x", "--one-file-system"}
    assert {"/srv/./a", "/srv/a", "/etc/b", "~/c"} <= fact.paths


def test_relative_names_are_also_names_below_the_directories_gone_to() -> None:
    """`cd` in the line counts; one that is not known makes relative names uncertain."""
    assert "/etc/shadow" in read_command("cd /etc; cat shadow").facts[1].paths
    assert not read_command("cd $x; cat shadow").facts[1].complete


def test_an_ordinary_line_costs_little() -> None:
    """Well below a millisecond even on a busy machine: the best of several runs counts."""
    best = 1.0
    for _ in range(20):
        began = time.process_time()
        for _ in range(20):
            read_command("tail -n 100 /var/log/nginx/access.log")
        best = min(best, (time.process_time() - began) / 20)
    assert best < 0.001


def test_work_grows_with_the_line() -> None:
    """Ten times the line takes not much more than ten times the time."""
    def cost(times: int) -> float:
        text = "ls -l /srv/a && cat b\n" * times
        best = 10.0
        for _ in range(3):
            began = time.process_time()
            read_command(text)
            best = min(best, time.process_time() - began)
        return best

    assert cost(2_000) < 40 * cost(200)


@settings(max_examples=200, deadline=None)
@given(st.one_of(_ANY_TEXT, st.text(st.characters(), max_size=30), st.binary(max_size=30).map(lambda raw: raw.decode("utf-8", "surrogateescape"))))
def test_facts_can_be_written_down(text: str) -> None:
    """Whatever bytes a line holds, what the policy and the journal get is text."""
    reading = read_command(f"ls {text} $'\\xff'")
    for fact in reading.facts:
        for word in (fact.program, *fact.argv, *fact.flags, *fact.paths):
            assert word.encode().decode() == word
    assert reading.redacted.encode().decode() == reading.redacted
    assert command_action(text).digest
