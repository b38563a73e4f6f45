"""Names: as written, normalised, and as the target says; what may be shown of them."""

from __future__ import annotations

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeep.protocols.ssh.files.sftp_names import (
    Name,
    Probe,
    has_controls,
    is_entry,
    normalised,
    shown,
    without_controls,
)

HOME = b"/home/deploy"


@pytest.mark.parametrize(
    ("path", "follows", "asked"),
    [
        (b"a/b", False, [Probe(b"a", b"b")]),
        (b"a/b", True, [Probe(b"a", b"b"), Probe(b"a/b", None)]),
        (b"b", False, [Probe(b".", b"b")]),
        (b"/b", False, [Probe(b"/", b"b")]),
        (b"/", False, [Probe(b"/", b""), Probe(b"/", None)]),
        (b"", False, [Probe(b".", b".")]),
        (b"a/l/", False, [Probe(b"a", b"l"), Probe(b"a/l", None)]),
        (b"l/..", False, [Probe(b"l", b"..")]),
    ],
)
def test_the_parent_is_asked_for_and_what_a_link_leads_to(
    path: bytes, follows: bool, asked: list[Probe]
) -> None:
    """A slash at the end follows a link, whatever the operation does."""
    assert Name(path, follows=follows).probes() == asked


def test_dots_behind_a_link_are_those_of_where_it_leads() -> None:
    """`l/..` is the parent of the link's aim, not the directory that the link is in."""
    name = Name(b"l/../shadow", follows=False)
    (probe,) = name.probes()
    name.answered(probe, b"/etc")
    assert name.paths(HOME) == {"l/../shadow", "/home/deploy/shadow", "/etc/shadow"}
    assert name.complete(HOME)


def test_what_is_not_known_for_sure_is_said() -> None:
    """No home, no answer but "there is none", an answer that is no path, bytes that are no text."""
    assert not Name(b"a", follows=False).complete(b"")
    assert Name(b"/a", follows=False).complete(b"")
    missing, failed, odd = (Name(b"/a/b", follows=False) for _ in range(3))
    missing.unanswered(missing=True)
    failed.unanswered(missing=False)
    odd.answered(odd.probes()[0], b"relative")
    assert [name.complete(HOME) for name in (missing, failed, odd)] == [True, False, False]
    name = Name(b"/\xff", follows=False)
    assert not name.complete(HOME)
    assert name.paths(HOME) == {"/\\xff"}


def test_a_base_is_where_a_relative_name_counts_from() -> None:
    """What a link says counts from the link's directory."""
    name = Name(b"../x", follows=True, base=b"/srv/d")
    assert name.lexical(HOME) == b"/srv/x"
    assert name.probes() == [Probe(b"/srv/d/..", b"x"), Probe(b"/srv/d/../x", None)]


@given(st.text(alphabet="ab./", max_size=12))
def test_normalised_names_have_nothing_left_to_normalise(path: str) -> None:
    """Absolute ones hold no dots, no empty components, and one slash in front."""
    clean = normalised(posixpath.join(HOME, path.encode()))
    assert clean.startswith(b"/")
    assert not clean.startswith(b"//")
    assert not {b"", b".", b".."} & set(clean[1:].split(b"/")) or clean == b"/"
    assert normalised(clean) == clean


@pytest.mark.parametrize("name", [b"", b"a/b", b"\0", b"a\n", b"\x1b[m", b"\x7f", b"\xc2\x9b", b"\xff\x9b"])
def test_names_that_act_are_no_entries(name: bytes) -> None:
    """Slashes lead elsewhere, controls work on a terminal, in UTF-8 or not."""
    assert not is_entry(name)


@pytest.mark.parametrize("name", [b"a", b".", b"..", b"a b", "né".encode(), b"n\xe9", "日本".encode()])
def test_ordinary_names_are_entries(name: bytes) -> None:
    """Also such as are not UTF-8."""
    assert is_entry(name)
    assert without_controls(name) == name


@given(st.binary(max_size=30))
def test_no_control_is_left(text: bytes) -> None:
    """Whatever the bytes."""
    assert not has_controls(without_controls(text))
    assert isinstance(shown(text), str)
