"""Stories of likeness: one simple command of literal words, with its numbers and paths as values."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatekeep.domain.commands import Assurance, CommandFacts, TunnelFacts
from gatekeep.domain.likeness import Likeness
from gatekeep.protocols.ssh.commands.command import command_action
from gatekeep.protocols.ssh.commands.likeness import command_likeness


def like(text: str) -> Likeness | None:
    """The likeness of a command line, from what events hold of it."""
    action = command_action(text, assurance=Assurance.EXACT)
    return command_likeness(action.command, action.facts)


@pytest.mark.parametrize(
    ("text", "template", "values"),
    [
        ("systemctl restart nginx", "systemctl restart nginx", ()),
        ("  systemctl\trestart  'nginx'\n", "systemctl restart nginx", ()),
        ("sudo -u www systemctl restart nginx", "sudo -u www systemctl restart nginx", ()),
        ("tail -n 100 /var/log/app.log", "tail -n $1:number $2:path", ("100", "/var/log/app.log")),
        ("cat './a b'", "cat $1:path", ("./a b",)),
        ("echo 'a b' ''", "echo 'a b' ''", ()),
        ("kill -9 123", "kill -9 $1:number", ("123",)),
        ("timeout 5 systemctl restart nginx", "timeout $1:number systemctl restart nginx", ("5",)),
    ],
)
def test_words_stand_as_they_are_numbers_and_paths_are_values(
    text: str, template: str, values: tuple[str, ...]
) -> None:
    """However they are quoted and spaced."""
    found = like(text)
    assert found is not None
    assert (found.template, found.values) == (template, values)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("systemctl restart nginx", "systemctl restart sshd"),
        ("systemctl restart nginx", "systemctl restart nginx sshd"),
        ("systemctl restart nginx", "systemctl restart 'nginx sshd'"),
        ("systemctl restart nginx", "systemctl -f restart nginx"),
        ("systemctl restart nginx", "systemctl restart nginx --root=/tmp"),
        ("systemctl restart nginx", "systemctl restart nginх"),  # noqa: RUF001 - a Cyrillic letter
        ("cat /etc/hosts", "cat /etc/shadow"),
        ("cat /etc/hosts", "cat '$1:path'"),
        ("echo 1", "echo '$1:number'"),
        ("find /tmp -empty -delete", "find /tmp -delete -empty"),
        ("shopctl -c -f x dir", "shopctl -f -c x dir"),
        ("shopctl -f a -C b", "shopctl -C a -f b"),
        ("grep -e -n -i x", "grep -e -i -n x"),
        ("rm -- -rf /x", "rm -rf -- /x"),
        ("sudo systemctl restart nginx", "systemctl restart nginx"),
        ("/usr/bin/systemctl restart nginx", "systemctl restart nginx"),
        ("kill 12", "kill -- 12"),
    ],
)
def test_the_second_of_a_pair_is_not_like_the_first(first: str, second: str) -> None:
    """One flag more makes another template, and so does one in another place."""
    assert like(first) is not None
    assert like(first) != like(second)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "# comment", "ls # comment", "ls &", "! ls", "ls; ls", "ls\nls", "ls | cat", "ls && ls",
        "(ls)", "{ ls; }", "if true; then ls; fi", "f() { ls; }; f", "A=1 ls", "ls > /tmp/x", "cat < /x",
        "cat <<< x", "ls 2>&1", "echo $X", 'echo "$X"', "ls $(pwd)", "ls `pwd`", "ls *.txt", "ls [ab]",
        "echo {a,b}", "cd ~/x", "echo '~/x'", "echo --at=~/x", "bash -c 'ls'", "sudo bash -c ls", "su -c ls",
        "xargs rm", "eval ls", "ls \\\n /x", "cat /var/../etc/shadow", "cat ../x", "cat ./..",
        "cat '/a/..'", "systemctl restart nginx\N{NO-BREAK SPACE}", "systemctl\N{NO-BREAK SPACE}restart nginx",
        "echo a\N{RIGHT-TO-LEFT OVERRIDE}b", "echo 'a\tb'", "echo $'a\\n'", "echo \x07", "$CMD restart",
        "sudo /opt/deploy.sh 5 $X", "mysql -psecret", "echo '***'", "unfinished 'quote", "echo " + "x " * 100,
        "echo 1 2 3 4 5 6 7 8 9 10", "rm -rf \ud800",
    ],
)  # fmt: skip
def test_anything_else_has_no_likeness(text: str) -> None:
    """Lists, pipes, redirections, expansions, scripts in words, ways up, what does not show, secrets."""
    assert like(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "tee /srv/flags", "tee -a /srv/flags", "patch -p1", "git apply", "tar xf - -C /srv", "cpio -i",
        "cp /dev/stdin /srv/flags", "cp /proc/self/fd/0 /srv/flags", "sort -o /srv/flags", "dd of=/srv/flags",
        "shopctl import -", "shopctl import /dev/stdin", "ssh-add -", "crontab -", "sudo tee /srv/flags",
        "sponge /srv/flags", "install /dev/stdin /srv/flags",
    ],
)  # fmt: skip
def test_what_standard_input_decides_has_no_likeness(text: str) -> None:
    """The same words write whatever is sent behind them, and nobody has seen that."""
    assert like(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "touch /srv/x", "mkdir -p /srv/x", "cp /srv/a /srv/b", "rm -f /var/cache/pages.tmp", "mv /srv/a /srv/b",
        "shopctl drain 5", "systemctl restart nginx", "cat /var/log/a", "cat -", "chmod 644 /srv/x",
    ],
)  # fmt: skip
def test_what_leaves_standard_input_alone_has_one(text: str) -> None:
    """Or only reads it, which changes nothing."""
    assert like(text) is not None


def test_the_order_of_options_counts_but_where_it_is_known_to_mean_nothing() -> None:
    """`ls -l -a` is `ls -a -l`; nothing is known of other programs, nor behind `--`."""
    assert like("ls -l -a /x") == like("ls -a -l /x")
    assert like("systemctl --no-pager --quiet status nginx") == like(
        "systemctl --quiet --no-pager status nginx"
    )
    assert like("foo -l -a /x") != like("foo -a -l /x")
    assert like("ls -- -l -a") != like("ls -- -a -l")
    assert like("ls -l -I -a") != like("ls -a -I -l")


def test_a_program_is_never_a_value() -> None:
    """Not behind `nice` or `sudo` either, so that no other is let in by its slot."""
    for text in ("/opt/a.sh 5", "nice -n 5 /opt/a.sh 5", "env A=b /opt/a.sh 5"):
        found = like(text)
        assert found is None or "/opt/a.sh" in found.template


def test_paths_of_what_does_more_than_read_are_sensitive() -> None:
    """They never stand for others; those of a reader may."""
    for text, sensitive in (("cat /var/log/a", False), ("touch /var/log/a", True)):
        found = like(text)
        assert found is not None
        assert [slot.sensitive for slot in found.slots] == [sensitive]


def test_only_commands_have_one() -> None:
    """Not file operations, not tunnels, not what could not be read for sure."""
    text = "ls"
    assert command_likeness(text, (CommandFacts("ssh.exec", "ls", ("ls",)),)) is not None
    for facts in (
        (),
        (CommandFacts("sftp.read", "ls"),),
        (CommandFacts("ssh.opaque"),),
        (CommandFacts("ssh.exec", "ls", ("ls",), complete=False),),
        (TunnelFacts("tunnel.open", "db", 5432),),
    ):
        assert command_likeness(text, facts) is None


@given(st.lists(st.text("ab$1:number'\" \\/.-~*", max_size=8), min_size=1, max_size=5),
       st.lists(st.text("ab$1:number'\" \\/.-~*", max_size=8), min_size=1, max_size=5))  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_commands_of_one_likeness_have_the_same_words(one: list[str], other: list[str]) -> None:
    """Whatever the words are, also ones that look like slots."""
    texts = [" ".join(map(shlex.quote, ["foo", *words])) for words in (one, other)]
    found = [like(text) for text in texts]
    if found[0] is not None and found[0] == found[1]:
        assert one == other


@given(st.text("ab 'l\"s$1/.&;|<>#!\\\n\t~*-", max_size=20))
@settings(max_examples=300, deadline=None)
def test_a_line_with_a_likeness_is_its_words(text: str) -> None:
    """What Python's own reading of a shell's words makes of it."""
    found = like(text)
    if found is not None:
        words = shlex.split(found.template)
        values = iter(found.values)
        filled = [next(values) if word.startswith("$") and "'" not in found.template else word for word in words]
        if "'" not in found.template:
            assert filled == shlex.split(text)
