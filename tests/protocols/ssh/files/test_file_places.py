"""Which names open a door for later, and which hold secrets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeep.protocols.ssh.files.file_places import PERSISTENCE, READS_SECRET, place_tags


@pytest.mark.parametrize(
    "path",
    [
        "/home/a/.ssh/authorized_keys", ".ssh", "/root/.bashrc", ".config/systemd/user/x.service",
        "/etc/cron.d/x", "/etc", "/ETC/passwd", "/var/spool/cron/crontabs/root", "/usr/lib/systemd/system/x",
        "/srv/app/.git/hooks/post-receive", "/home/a", "/root", "/home", "/proc/sys/kernel/core_pattern",
        "/dev/sda", "/Users/a/Library/LaunchAgents/x.plist", ".local/bin/ls", "/lib64/ld.so", ".git/config",
    ],
)  # fmt: skip
def test_changes_there_open_a_door(path: str) -> None:
    """What runs or lets in later; and only changing it does."""
    assert place_tags([path], changes=True) == {PERSISTENCE}
    assert PERSISTENCE not in place_tags([path], reads=True)


@pytest.mark.parametrize("path", ["/srv/data/x", "report.csv", "/home/a/x", "/tmp/etc/x", "/etcetera", "d/x"])  # noqa: S108 - a name
def test_ordinary_places_are_ordinary(path: str) -> None:
    """Neither tag."""
    assert place_tags([path], reads=True, changes=True) == set()


@pytest.mark.parametrize(
    "path",
    [
        "/etc/shadow", "/home/a/.ssh/id_ed25519", ".ssh/deploy", ".pgpass", "/root/.aws/credentials",
        "/etc/ssh/ssh_host_rsa_key", "tls/server.key", "cert.pem", ".env", ".env.production",
        "/proc/1/environ", "/proc/self/root/etc/x", ".kube/config", ".docker/config.json", "/etc/sudoers.d/x",
        "terraform.tfstate", "x/.bash_history", "/run/secrets/db",
    ],
)  # fmt: skip
def test_reads_there_show_secrets(path: str) -> None:
    """Whose reading is one."""
    assert READS_SECRET in place_tags([path], reads=True)


@pytest.mark.parametrize("path", [".ssh/id_rsa.pub", ".ssh/known_hosts", ".ssh/config", ".ssh", "/etc/passwd"])
def test_what_is_public_is_no_secret(path: str) -> None:
    """Public halves, and where one has been."""
    assert place_tags([path], reads=True) == set()


@given(st.text(max_size=30))
def test_any_name_has_an_answer(path: str) -> None:
    """Nothing that can be written as a name stumbles."""
    assert place_tags([path, path], reads=True, changes=True) <= {PERSISTENCE, READS_SECRET}
    assert place_tags([path]) == set()
