"""Which files records of scp are about."""

from __future__ import annotations

import pytest
from support.sftp_talk import actions_of, paths_of, tags_of

from gatekeep.domain.commands import CommandFacts, SshAction
from gatekeep.protocols.ssh.files.scp_files import MOST_DEPTH, Place, command_action, entry_action
from gatekeep.protocols.ssh.files.scp_records import Broken, Entry, ScpCommand, read_command

HOME = "/home/deploy"


def command(words: str) -> ScpCommand:
    """A command that is scp's."""
    found = read_command(words.split())
    assert found is not None
    return found


def file(name: bytes, mode: int = 0o644) -> Entry:
    """A file's record."""
    return Entry(directory=False, mode=mode, size=1, name=name)


def complete(action: SshAction) -> bool:
    """Whether all is known."""
    return all(fact.complete for fact in action.facts if isinstance(fact, CommandFacts))


@pytest.mark.parametrize(
    ("words", "paths", "whole"),
    [
        ("scp -f /srv/a b", {"/srv/a", "b", f"{HOME}/b"}, True),
        ("scp -t ~/x", {"~/x", f"{HOME}/x"}, False),
        ("scp -f /srv/*", {"/srv/*"}, False),
        ("scp -f ~bob/x", {"~bob/x", f"{HOME}/~bob/x"}, False),
        ("scp -t .", {".", HOME}, True),
    ],
)
def test_the_command_is_an_action_of_its_own(words: str, paths: set[str], whole: bool) -> None:
    """Judged before anything is started; what the target's shell would expand is not known."""
    action = command_action(command(words), words, home=HOME)
    assert action.mode == "scp"
    assert action.text == words
    assert paths_of(action) == paths
    assert complete(action) is whole
    assert actions_of(action) == ["sftp.write" if "-t" in words else "sftp.read"]


def test_without_a_home_relative_paths_are_not_known() -> None:
    """Then a rule about paths counts as matching."""
    assert not complete(command_action(command("scp -t x"), "scp -t x"))
    assert complete(command_action(command("scp -t /x"), "scp -t /x"))


def test_a_directory_by_command_leaves_one_way() -> None:
    """With `-d` the target is a directory, or the command fails."""
    talk = command("scp -d -t /srv/x")
    place = Place(talk, HOME)
    action = entry_action(talk, place, file(b"a"), None, b"")
    assert paths_of(action) == {"/srv/x/a"}


def test_secrets_are_tagged_where_they_are_read() -> None:
    """And doors where something is put."""
    talk = command("scp -f .ssh/id_rsa")
    place = Place(talk, HOME)
    place.admit(file(b"id_rsa"))
    assert tags_of(entry_action(talk, place, file(b"id_rsa"), None, b"")) == {"reads_secret"}
    talk = command("scp -t .ssh")
    action = entry_action(talk, Place(talk, HOME), file(b"authorized_keys", 0o4600), None, b"")
    assert tags_of(action) == {"persistence", "privilege"}


def test_names_that_are_no_text_are_not_known() -> None:
    """They are shown with escapes."""
    talk = command("scp -t /srv")
    action = entry_action(talk, Place(talk, HOME), file(b"\xff"), None, b"")
    assert not complete(action)
    assert "/srv/\\xff" in paths_of(action)


def test_braces_are_the_shells() -> None:
    """What they stand for is not known here, so any name may come, and none is known for sure."""
    talk = command("scp -f /srv/{a,b}")
    place = Place(talk, HOME)
    place.admit(file(b"b"))
    place.admit(file(b"a"))
    assert paths_of(entry_action(talk, place, file(b"a"), None, b"")) == {"/srv/a"}


def test_trees_have_an_end() -> None:
    """Directories that never end, and ends of what did not begin."""
    place = Place(command("scp -rt x"), HOME)
    with pytest.raises(Broken):
        place.leave()
    for _ in range(MOST_DEPTH):
        place.enter(b"d")
    assert place.depth == MOST_DEPTH
    with pytest.raises(Broken, match="too deep"):
        place.admit(file(b"a"))
