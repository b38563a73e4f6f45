"""Names of places: which hold secrets, which outlive a session, which the account may have written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeep.protocols.ssh.commands import places


@pytest.mark.parametrize(
    "path",
    ["/etc/shadow", "/etc/shadow-", "/etc//./shadow", "/etc/ssh/ssh_host_rsa_key", "~/.ssh/id_ed25519", "/root/.ssh", ".env", "x/.env.prod",
     "/proc/self/environ", "/proc/1/task/1/environ", "/dev/sda1", "/home/bob/.aws/credentials", "server.key", "../../etc/shadow",
     "/etc/letsencrypt/live/x/privkey.pem", "/etc/wireguard/wg0.conf", "~/.bash_history", "/run/secrets/db", "secrets.yaml"],
)  # fmt: skip
def test_secrets_by_name(path: str) -> None:
    """Keys, hashes, credentials, memory and disks, however the name is written."""
    assert places.is_secret(path)


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "/etc/hosts", "~/.ssh/known_hosts", "~/.ssh/id_rsa.pub", "~/.ssh/config", "/var/log/syslog", "/srv/keys.txt",
     "/proc/meminfo", "/dev/null", "secretary.txt", "/srv/shadowfax", "", "/", "a" * 10_000],
)  # fmt: skip
def test_what_is_no_secret(path: str) -> None:
    """Public halves, and names that only look alike."""
    assert not places.is_secret(path)


@pytest.mark.parametrize(
    ("pattern", "secret"),
    [("/etc/sh*", True), ("/e??/s?adow", True), ("/etc/{passwd,shadow}", True), ("~/.ssh/*", True), ("/etc/*", True),
     ("*.log", False), ("*", False), ("/var/log/*", False), ("/etc/nginx/*", False), ("\0", False), ("*" * 50 + "a", False)],
)  # fmt: skip
def test_patterns_count_as_what_they_may_mean(pattern: str, *, secret: bool) -> None:
    """But one that says nothing does not count as everything."""
    assert places.is_secret(pattern, pattern=True) is secret


@pytest.mark.parametrize(
    "path",
    ["~/.ssh/authorized_keys", ".bashrc", "/home/bob/.profile", "/etc/cron.d/x", "/etc/x", "/usr/local/bin/x", "~/.config/x/y",
     "/var/spool/cron/bob", "/lib/systemd/system/x.service", "x/.git/hooks/post-commit", "\0/.bashrc", "../../etc/x", "/etc/../etc/x"],
)  # fmt: skip
def test_places_that_outlive_a_session(path: str) -> None:
    """Writing there runs, or opens a door, later."""
    assert places.is_persistent(path)


def test_places_that_do_not() -> None:
    """Data and temporary files."""
    for path in ("/srv/data/a", "/var/log/x", "notes.txt", "/usr/share/doc/x"):
        assert not places.is_persistent(path)


def test_programs_of_the_system_and_others() -> None:
    """Only the system's directories hold what the account cannot have written."""
    for path in ("ls", "/bin/ls", "/usr/bin/../bin/ls", "/usr/lib/x/y"):
        assert not places.is_changeable(path)
    for path in ("./ls", "bin/ls", "~/ls", "/opt/ls", "/home/x/ls", "/usr/bin/../../tmp/ls", "/bin/../srv/ls", "/usr/bin/\0"):
        assert places.is_changeable(path)


@given(st.text(max_size=300))
def test_any_name_has_an_answer(path: str) -> None:
    """Nothing raises, and the name as written is among its spellings."""
    assert path in places.spellings(path, ["/srv"])
    for ask in (places.is_secret, places.is_persistent, places.is_changeable, places.is_nowhere, places.is_socket, places.holds_secrets):
        assert ask(path) in (True, False)
    assert places.is_secret(path, pattern=True) in (True, False)
