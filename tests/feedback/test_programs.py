"""Names that no approval outweighs: programs, and the services that are not restarted unasked."""

from __future__ import annotations

import pytest
from support.deeds import History as Past
from support.deeds import command, often

from gatekeep.domain.likeness import Likeness, LikeSlot
from gatekeep.feedback.forbidden import never, routine_restart
from gatekeep.feedback.programs import guards, unwrapped, why_never

RESTARTS = frozenset({"destructive", "privilege"})


def suggested(text: str, tags: frozenset[str] = frozenset()) -> bool:
    """Whether sixty approvals of a command make a suggestion."""
    return bool(Past().add(often(command(text, tags=tags), 60)).suggest())


@pytest.mark.parametrize(
    "name",
    ["bind9", "pdns", "dhcpcd", "isc-dhcp-server", "resolvconf", "wpa_supplicant", "keepalived", "frr",
     "freeradius", "ipa", "dirsrv", "krb5-kdc", "keycloak", "certmonger", "smbd", "nmb", "vsftpd", "xinetd",
     "cockpit", "xrdp", "gdm", "filebeat", "auditbeat", "fluent-bit", "td-agent", "splunkforwarder",
     "zabbix-agent", "suricata", "mdatp", "falcon-sensor", "cri-o", "crio", "rke2-server", "snapd", "cloud-init",
     "qemu-guest-agent", "pacemaker", "corosync", "watchdog", "supervisord", "patroni", "pgpool2", "proxysql",
     "scylla-server", "solr", "nats-server", "mosquitto", "neo4j", "drbd", "rpcbind", "autofs", "bareos-fd",
     "pgbackrest", "ptp4l", "openntpd", "ntpsec", "sysctl", "kdump", "amazon-ssm-agent", "stunnel4", "openbao",
     "headscale", "cilium-agent", "node_exporter", "unattended-upgrades", "heartbeat"],
)  # fmt: skip
def test_more_guards_and_keepers(name: str) -> None:
    """Name servers, addresses, directories, agents that watch, runtimes, clusters, data, time."""
    assert guards(name)
    deed = command(f"systemctl restart {name}", tags=RESTARTS)
    assert not routine_restart(deed)
    assert not suggested(f"systemctl restart {name}", RESTARTS)


@pytest.mark.parametrize(
    "name",
    ["nginx", "haproxy", "php-fpm", "shop_web2", "worker", "app", "wordpress", "frontpage", "hotel-booking",
     "spamassassin", "users-api", "timetables", "gunicorn", "sidekiq", "payments-web", "varnish", "captcha"],
)  # fmt: skip
def test_plain_services_stay_plain(name: str) -> None:
    """A name that only holds the letters of a guard is none."""
    assert not guards(name)
    assert suggested(f"systemctl restart {name}", RESTARTS)


@pytest.mark.parametrize(
    "text",
    ["invoke-rc.d ssh stop", "sv restart sshd", "supervisorctl stop all", "supervisorctl restart all",
     "supervisorctl restart redis", "monit stop all", "pm2 delete all", "service nginx stop",
     "rabbitmqctl purge_queue x", "etcdctl del x", "consul kv delete x", "vault operator seal",
     "openssl rsa -in x", "tcpdump -i eth0", "strace -p 1", "java -jar x.jar", "pg_ctl stop",
     "pg_dropcluster 15 main", "createdb x", "mysqladmin shutdown", "nodetool decommission", "busctl call x",
     "hwclock --set", "resolvectl dns eth0 1.1.1.1", "tc qdisc del dev eth0 root", "ethtool -r eth0",
     "ifconfig eth0 down", "route add default gw 10.0.0.1", "fail2ban-client unban 1.2.3.4", "aa-teardown",
     "faillock --reset", "kadmin.local", "ipa user-add mal", "samba-tool user x", "realm leave", "sss_cache -E",
     "nginx -s stop", "nginx -c x.conf", "apache2ctl stop", "a2enmod x", "rndc reload", "postsuper -d ALL",
     "restic forget x", "borg delete x", "mokutil --disable-validation", "efibootmgr -B", "hdfs dfs -rm x",
     "rails c", "bundle exec rails console", "django-admin shell", "iex", "nice ifconfig eth0 down",
     "timeout 5 vault read x", "/usr/sbin/route del default", "env A=b tcpdump", "exec strace -p 1",
     "shopctl stop redis", "ourctl disable auditd", "tee x", "dd if=x of=y"],
)  # fmt: skip
def test_programs_that_no_tag_names_never_pass(text: str) -> None:
    """Unlike a program of the house, what these do to a machine is known to everybody."""
    assert why_never(text, writes=False)
    assert not suggested(text)


@pytest.mark.parametrize(
    "text", ["cp /tmp/x run.sh", "ln -s a b", "tar xf a.tar", "sed -i s/a/b/ x", "git checkout .", "chmod 777 d"]
)
def test_what_is_written_from_elsewhere_never(text: str) -> None:
    """The words name a file; what is in it when it is copied nobody has read."""
    assert not suggested(text, frozenset({"writes"}))


@pytest.mark.parametrize(
    "text",
    ["shopctl reload-catalogue", "poolctl rotate blue", "queuectl retry --all", "nginx -t", "nginx -s reload",
     "apachectl graceful", "supervisorctl restart worker", "supervisorctl status", "pm2 reload shop",
     "certbot certificates", "shipctl release web", "appctl stop worker", "vgs", "nice shopctl rotate"],
)  # fmt: skip
def test_tools_of_the_house_may_pass(text: str) -> None:
    """What nobody here knows is known by what people approved, word by word."""
    assert suggested(text)


def test_what_only_reads_is_judged_by_its_tags() -> None:
    """`docker ps` is by a program of the list, and only looks; making a folder brings nothing in."""
    assert suggested("docker ps", frozenset({"reads_only"}))
    assert suggested("touch maintenance", frozenset({"writes"}))


def test_what_a_wrapper_runs_counts() -> None:
    """Folders, options and durations before it do not hide a program."""
    assert unwrapped(["/usr/bin/nice", "-n", "10", "timeout", "5s", "/sbin/route", "del"]) == ["route", "del"]
    assert unwrapped(["env"]) == []
    assert why_never("'", writes=False)


@pytest.mark.parametrize(
    ("template", "values"),
    [("cat $1:path", ["/etc/gatekeep/policy/rules.cedar"]), ("tail -n $1:number $2:path", ["9", "/var/log/GateKeep/x"])],
)  # fmt: skip
def test_its_own_files_are_found_in_the_values(template: str, values: list[str]) -> None:
    """Where a path is a slot the template is silent about whose file it is."""
    slots = tuple(LikeSlot("path" if one[:1] == "/" else "number", one) for one in values)
    plain = command(template, likeness=Likeness(template, slots), tags=frozenset({"reads_only"}))
    other = command(template, likeness=Likeness(template, (slots[0], *slots[1:])), tags=plain.tags)
    (said,) = [one for one in never([other, plain]) if one.name == "never: gatekeep itself"]
    assert not said.passed
