"""The tree that we trust against the shell itself: what bash runs is among what was read."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from support.bash_lines import BASH, what_bash_runs

from gatekeep.protocols.ssh.commands.command import read_command
from gatekeep.protocols.ssh.commands.grammar import read_script

needs_bash = pytest.mark.skipif(not BASH, reason="no bash here")

_WORDS = [
    "aa", "bb", "cc", "r\\m", "'q q'", '"d d"', '"a$x"', "$x", "$'\\x41'", "a#b", "#c", "\\#", "{p,q}", "*", "~", "~/z", "a=b",
    "\\ ", "''", '""', "-f", "\\\nk", "$(aa k)", "`bb k`", "<(cc k)", "${x:-d}", "${x:-'a b'}", "$((1+1))", "a\\\\", "!", "%", "@",
    "a'b'\"c\"d", "$", "\\$x", "}", "{", "]]", "[", "=", "a;", "é", "\u00a0", "a\u00a0b", "1", "2>e", '$"l"', "a{", "=b", "-",
    "--", "+", "^a", "a^", "a~", "a:~", "$'a\\'b'", '"a\\"b"', '"`aa z`"', "'a\\'", "a$", "$$", "$?", "x=1", "x+=1", "x[1]=2",
    "&1", "@(a|b)", "a*b", "[a-z]", "{1..3}", "\\\n", "\t", "(", ")", "\r", "\v", "\f",
]  # fmt: skip
_JOINS = [" ; ", " && ", " || ", " | ", " & ", "\n", ";", "|", "&", " |& ", "&&", "||", "\n\n", " # c\n", "# d\n", ";\n"]  # fmt: skip
_REDIRECTIONS = [">f", "> f", ">>f", "2>&1", "&>f", ">&2", "<f", "< f", "2> f", "<<<h", "<<< 'h h'", ">|f", "<>f", "3>f",
                 "<&0", "{fd}>f", ">&f", "&>>f", "2>&-", ">&-"]  # fmt: skip
_SHAPES = [
    "if %s; then %s; fi", "for i in %s; do %s; done", "{ %s; }", "( %s )", "(%s)", "f() { %s; }", "case a in a) %s;; *) %s;; esac",
    "! %s", "while %s; do %s; break; done", "[[ a == b ]] && %s", "time %s", "f() ( %s )", "function g { %s; }",
    "if %s; then %s; else %s; fi", "case a in (a|b) %s;; esac", "{ %s; } >f", "( %s ) 2>&1", "coproc %s", "[ a = a ] && %s",
    "((1)) && %s", "for ((i=0;i<1;i++)); do %s; done", "for i\ndo %s\ndone", "if %s\nthen %s\nfi", "case a in\na)\n%s\n;;\nesac",
    "for i in a;do %s;done", "{\n%s\n}", "aa <<E\n%s\nE\n", "aa <<'E'\n%s\nE\n", "aa <<-E\n\t%s\n\tE\n", "aa <<E | bb\n%s\nE\n",
    "aa <<E; cc\n%s\nE\n", "aa <<E >f zz\n%s\nE\n", 'aa <<"E" && bb k\n%s\nE\n', "aa <<E <<F\n%s\nE\n$(cc z)\nF\n",
    "aa <<\\E\n%s\nE\n", "(aa <<E\n%s\nE\n)", "aa <<E2 bb\n%s\nE2", "aa << E\n%s\nE\nbb", "x=1 aa <<E\n%s\n E\nE\n",
]  # fmt: skip


class _Lines:
    """Lines out of pieces, many of them odd, some wrong."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)

    def line(self, depth: int = 0) -> str:
        """One line."""
        chance = self._draw.random()
        if depth > 2 or chance < 0.55:
            return self._simple()
        if chance < 0.75:
            return self.line(depth + 1) + self._draw.choice(_JOINS) + self.line(depth + 1)
        shape = self._draw.choice(_SHAPES)
        return shape % tuple(self.line(depth + 1) for _ in range(shape.count("%s")))

    def _simple(self) -> str:
        draw = self._draw
        parts = [f"x={draw.choice(_WORDS)}"] if draw.random() < 0.1 else []
        parts.append(draw.choice(["aa", "bb", "cc", "'aa'", "b\\b", 'c"c"', draw.choice(_WORDS)]))
        count = draw.randrange(4)
        parts += [draw.choice(_WORDS if draw.random() < 0.8 else _REDIRECTIONS) for _ in range(count)]
        text = " ".join(parts)
        if draw.random() < 0.1:
            text = text.replace(" ", "", 1)
        return f"{draw.choice(_REDIRECTIONS)} {text}" if draw.random() < 0.08 else text


@needs_bash
@pytest.mark.parametrize("seed", range(6))
def test_what_bash_runs_was_read(seed: int, tmp_path: Path) -> None:
    """For a line that is resolved, each program that bash looks for is a fact: with just these words where all are known."""
    lines = _Lines(seed)
    texts = [lines.line() for _ in range(400)]
    missed = []
    sure = 0
    for text, ran in zip(texts, what_bash_runs(texts, tmp_path), strict=True):
        reading = read_command(text)
        if not reading.resolved:
            continue
        sure += bool(ran)
        whole = {one.argv for one in reading.facts if one.complete}
        parts = {one.program for one in reading.facts if not one.complete}
        for words in ran:
            plain = tuple(f"~{one[3:]}" if one.startswith("/hh") else one for one in words)
            if words not in whole and plain not in whole and words[0].rpartition("/")[2] not in parts:
                missed.append((text, words))
    assert missed == []
    assert sure > 100


@pytest.mark.parametrize(
    ("text", "doubt"),
    [
        ("ls", False),
        ("ls\u00a0rm", True),
        ("ls\rrm x", True),
        ("ls \x0brm", True),
        ("aa {fd}>f", True),
        ("x=$ cc", True),
        ('echo "${x:=`rm x`}"', True),
        ("cat <<-E\n\t$(rm x) (\n\tE\n", True),
        ("aa\\\n# d\nbb", True),
        ("cat <<E\nE\n", False),
        ("[a-z] x", True),
        ("time if a; then b; fi", True),
    ],
)
def test_trees_that_bash_would_not_make_are_doubtful(text: str, *, doubt: bool) -> None:
    """Each found by running both."""
    script = read_script(text)
    assert script is not None
    assert (script.doubtful or script.broken) is doubt


def test_streams_are_told_apart() -> None:
    """Redirections belong to the last command of a list; a here-document is its command's script."""
    script = read_script("a && b > f; c | d <<E\nx\nE\n")
    assert script is not None
    by_name = {one.words[0].value: one for one in script.commands}
    assert not by_name["a"].redirections
    assert by_name["b"].redirections[0].target.value == "f"
    assert by_name["d"].script is not None
    assert by_name["d"].script.value == "x\n"
    assert by_name["d"].piped
    assert not by_name["c"].piped
