"""The never-list: what tags and words no number of approvals outweighs."""

from __future__ import annotations

import pytest
from support.deeds import command

from gatekeep.domain.likeness import Likeness, LikeSlot
from gatekeep.feedback.forbidden import never, routine_restart

RESTARTS = frozenset({"destructive", "privilege"})


@pytest.mark.parametrize(
    "text",
    ["systemctl restart nginx", "systemctl restart nginx.service", "systemctl reload haproxy",
     "systemctl restart php-fpm", "systemctl restart shop_web2"],
)  # fmt: skip
def test_one_plain_service_may_be_restarted(text: str) -> None:
    """`systemctl restart NAME` and `reload NAME`: what people are asked about most."""
    deed = command(text, tags=RESTARTS)
    assert routine_restart(deed)
    assert all(one.passed for one in never([deed]) if one.name == "never: tags")


@pytest.mark.parametrize(
    "text",
    ["sudo systemctl restart nginx", "systemctl try-restart nginx", "systemctl stop nginx",
     "systemctl reload-or-restart nginx", "systemctl --force restart nginx",
     "systemctl restart --no-block nginx", "systemctl restart nginx haproxy",
     "systemctl restart web@1", "systemctl restart web@1.service", "systemctl restart 'ng*'",
     "systemctl restart nginx.socket", "systemctl restart multi-user.target",
     "systemctl restart ./nginx", "systemctl restart -- nginx", "systemctl restart",
     "systemctl restart nginx;id", "systemctl restart Nginx", "/usr/bin/systemctl restart nginx",
     "service nginx restart", "systemctl --user restart nginx"],
)  # fmt: skip
def test_any_other_words_are_no_routine(text: str) -> None:
    """Flags, globs, paths, instances, other units, sudo, or several: people look at it."""
    deed = command(text, tags=RESTARTS)
    assert not routine_restart(deed)
    assert not all(one.passed for one in never([deed]))


@pytest.mark.parametrize(
    "name",
    ["ssh", "sshd", "auditd", "rsyslog", "syslog-ng", "systemd-journald", "systemd-networkd", "dbus",
     "docker", "containerd", "kubelet", "firewalld", "nftables", "iptables", "ufw", "fail2ban",
     "apparmor", "selinux-autorelabel", "cron", "crond", "polkit", "sudo", "sssd", "nscd",
     "network", "networking", "network-manager", "networkmanager", "wireguard", "wg-quick", "openvpn",
     "openvpn-client", "strongswan", "postgresql", "postgresql-16", "pgbouncer", "mysql", "mysqld",
     "mariadb", "redis", "redis-server", "mongod", "gatekeep", "gatekeepd", "teleport", "vault",
     "consul", "chrony", "chronyd", "ntp", "ntpd", "pam_auth", "nfs-server", "k3s", "etcd"],
)  # fmt: skip
def test_guards_and_keepers_are_never_routine(name: str) -> None:
    """What guards the machine, lets people in, or keeps data is no plain service."""
    deed = command(f"systemctl restart {name}", tags=RESTARTS)
    assert not routine_restart(deed)
    assert "never: tags" in {one.name for one in never([deed]) if not one.passed}


@pytest.mark.parametrize("tag", ["persistence", "reads_secret", "network_egress", "never-heard-of"])
def test_a_restart_with_any_other_tag_is_no_routine(tag: str) -> None:
    """It is excused for being a restart, and for nothing else."""
    deed = command("systemctl restart nginx", tags=RESTARTS | {tag})
    assert not routine_restart(deed)
    (said,) = [one for one in never([deed]) if one.name == "never: tags"]
    assert "destructive" in said.why


def test_a_restart_with_a_value_is_no_routine() -> None:
    """A slot stands for other services, too."""
    like = Likeness("systemctl restart $1:path", (LikeSlot("path", "/x"),))
    assert not routine_restart(command("systemctl restart /x", tags=RESTARTS, likeness=like))
