"""Words after quotes: however a word is quoted, the program gets the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.bash_lines import BASH, what_bash_runs

from gatekeep.protocols.ssh.commands.command import read_command

_SAFE = "abcXYZ019_./:,@%+-"
_QUOTINGS = (
    lambda part: "'" + part.replace("'", "'\\''") + "'",
    lambda part: '"' + "".join(f"\\{one}" if one in '$`"\\' else one for one in part) + '"',
    lambda part: "$'" + "".join(f"\\x{ord(one):02x}" if one.isascii() else one for one in part) + "'",
    lambda part: "$'" + "".join(f"\\{ord(one):03o}" if one.isascii() else one for one in part) + "'",
    lambda part: "".join(one if one in _SAFE or not one.isascii() else f"\\{one}" for one in part),
)
_VALUE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x24F, exclude_characters="\x7f\x85\xa0\xad",
                               exclude_categories=("Cc", "Cf", "Zs", "Zl", "Zp")) | st.just(" "), min_size=1, max_size=12)  # fmt: skip


@st.composite
def _quoted(draw: st.DrawFn, value: str) -> str:
    """The value cut into pieces, each quoted in some way."""
    cuts = sorted(draw(st.lists(st.integers(0, len(value)), max_size=3)))
    pieces = [value[a:b] for a, b in zip([0, *cuts], [*cuts, len(value)], strict=True)]
    made = [draw(st.sampled_from(_QUOTINGS))(piece) for piece in pieces if piece]
    return "".join(made)


@settings(max_examples=300, deadline=None)
@given(st.data(), st.lists(_VALUE, min_size=1, max_size=4))
def test_quoting_changes_nothing(data: st.DataObject, values: list[str]) -> None:
    """The words of a command are the same however each of them is quoted."""
    words = ["prog", *values]
    text = " ".join(data.draw(_quoted(word)) for word in words)
    reading = read_command(text)
    if reading.resolved:
        assert reading.facts[0].argv == tuple(words)
        assert reading.facts[0].complete


@pytest.mark.skipif(not BASH, reason="no bash here")
@settings(max_examples=10, deadline=None)
@given(st.data())
def test_bash_agrees(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """What we read is what bash gives a program."""
    values = data.draw(st.lists(_VALUE, min_size=8, max_size=8))
    texts = [f"prog {data.draw(_quoted(value))}" for value in values]
    folder: Path = tmp_path_factory.mktemp("bash")
    for text, ran in zip(texts, what_bash_runs(texts, folder), strict=True):
        reading = read_command(text)
        assert ran == [reading.facts[0].argv] or not reading.resolved


_CASES = [
    "r\\m x", "'rm' x", '"rm" x', 'r""m x', "r''m x", "$'\\x72\\x6d' x", "$'\\162m' x", "$'r\\u006d' x", '"r"\'m\' x', "r\\\nm x",
    "prog 'a b' \"c d\"", 'prog "a\\"b" "a\\b" "\\$x" "\\`"', "prog a\\ b", "prog '' \"\"", "prog a#b '#c' \\#d", "prog $'a\\tb\\'c'",
    "prog \\\\ \\' \\\"", "prog a'b'\"c\"d", "prog é$'\\xc3\\xa9'", "prog -- -x", "prog a=b '=c'", "prog %1 @x +y ,z :w", "prog a{b b}",
    "prog {} {a}", "prog a,b", "prog \\{a,b\\}", "prog '{a,b}'", "prog \\*", "prog '*'", "prog \\~", "prog '~'", "prog a~", "prog ]",
    "prog ^a", "prog !", "prog a!b", "prog $'a\\0b'", "prog $'\\cA'x", 'prog "a\\\nb"', "prog 1 2", "prog \\a\\b", "prog '\\'",
]  # fmt: skip


@pytest.mark.skipif(not BASH, reason="no bash here")
def test_spellings_of_quotes_are_those_of_bash(tmp_path: Path) -> None:
    """A table of quoting, each line run in bash."""
    sure = 0
    for text, ran in zip(_CASES, what_bash_runs(_CASES, tmp_path), strict=True):
        reading = read_command(text)
        assert [reading.facts[0].argv] == ran or not (reading.resolved and reading.facts[0].complete)
        sure += reading.resolved
    assert sure > 0.9 * len(_CASES)
