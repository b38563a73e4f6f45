"""The commands by which clients move files over the channel."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeep.protocols.ssh.commands.command import read_command
from gatekeep.protocols.ssh.commands.transfers import Transfer, recognise_transfer


@pytest.mark.parametrize(
    ("text", "transfer"),
    [
        ("scp -t /srv", Transfer("scp", "in", ("/srv",))),
        ("scp -r -p -t -- '/srv/a b'", Transfer("scp", "in", ("/srv/a b",))),
        ("scp -f /srv/x", Transfer("scp", "out", ("/srv/x",))),
        ("/usr/bin/scp -qrf /srv/x", Transfer("scp", "out", ("/srv/x",))),
        ("scp -f *.log", Transfer("scp", "out", ("*.log",), complete=False)),
        ("scp -tf x", Transfer("scp", "both", ("x",))),
        ("rsync --server -vlogDtpre.iLsfxCIvu . /srv/x", Transfer("rsync", "in", ("/srv/x",))),
        ("rsync --server --sender -vlogDtpre.iLsfxCIvu . a b", Transfer("rsync", "out", ("a", "b"))),
        ("rsync --server -s", Transfer("rsync", "in", (), complete=False)),
        ("git-upload-pack '/srv/r.git'", Transfer("git", "out", ("/srv/r.git",))),
        ("git upload-pack r", Transfer("git", "out", ("r",))),
        ("git-receive-pack 'r'", Transfer("git", "in", ("r",))),
        ("git-upload-archive r", Transfer("git", "out", ("r",))),
        ("/usr/lib/openssh/sftp-server", Transfer("sftp", "both")),
        ("scp a b:c", None),
        ("rsync -a a b:c", None),
        ("git log", None),
        ("ls", None),
        ("scp -t /tmp; rm x", None),
        ("scp -t /tmp > x", None),
        ("scp -t $(rm x)", None),
        ("X=1 scp -t /tmp", None),
        ("$x -t /tmp", None),
        ("sudo scp -t /tmp", None),
        ("scp -t /tmp | cat", None),
        ("scp -t '/tmp", None),
    ],
)
def test_a_transfer_is_recognised_when_it_is_the_whole_line(text: str, transfer: Transfer | None) -> None:
    """One command, nothing beside it; else it is an ordinary command."""
    assert recognise_transfer(text) == transfer


@given(st.text(max_size=60))
def test_any_text_is_a_transfer_or_not(text: str) -> None:
    """Nothing raises, and what is taken for one has its tag."""
    for line in (text, f"scp -t {text}", f"rsync --server {text}"):
        if recognise_transfer(line) is not None:
            assert "transfer" in read_command(line).tags


def test_a_program_that_serves_sftp_is_tagged_wherever_it_stands() -> None:
    """Its operations must not pass as one command (12-threats H8)."""
    for line in ("sftp-server", "sudo /usr/lib/openssh/sftp-server -e", "exec /usr/libexec/sftp-server", "bash -c internal-sftp",
                 "env X=1 sftp-server", "s'ftp'-server"):  # fmt: skip
        assert "sftp_server" in read_command(line).tags
