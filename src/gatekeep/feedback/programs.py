"""The never-list by name: services that are not restarted unasked, and programs that never run so.

For what tags say nothing of: a program that nobody here knows has no tag at all. Words only.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Final

_SLOT: Final = re.compile(r"\$[0-9]+:[a-z]+")

# Parts of names of services: who guards the machine, lets people in, keeps time, network, what
# others stand on, or data. One that is plain and is held for one of these only waits for a person.
_GUARDS: Final = re.compile(
    # who lets people in, and says who they are
    r"ssh|dropbear|telnet|ftpd|inetd|rlogin|^rsh|cockpit|webmin|guac|xrdp|vnc|^[gxs]dm|sddm|lightdm|display|getty"
    r"|login|ttyd|teleport|boundary|(?<![a-z])pam|sudo|doas|polkit|sssd|nslcd|nscd|ldap|slapd|dirsrv|krb|kdc|kadmin"
    r"|winbind|samba|^[sn]mb|ksmbd|radius|^ipa|realmd|oddjob|keycloak|authelia|authentik|oauth|^dex|pcscd"
    # keys and secrets
    r"|vault|openbao|^bao|consul|certmonger|step-ca|spire|stunnel|crypt|luks|clevis|^tang|gpg|pkcs"
    # who watches and tells
    r"|audit|journal|syslog|^nxlog|beat$|fluent|td-agent|^vector|promtail|logstash|graylog|splunk|alloy|(?<![a-z])otel"
    r"|zabbix|nagios|icinga|^nrpe|prometheus|exporter|alertmanager|telegraf|datadog|newrelic|sensu|collectd"
    r"|netdata|^monit$|watchdog|falco|osquery|wazuh|ossec|crowdstrike|clamav|suricata|snort|zeek|^aide|tripwire"
    r"|samhain|rkhunter|sentinel|cbagent|cbdaemon|carbonblack|mdatp|defender|tanium|qualys|nessus|rapid7|sysdig"
    r"|tetragon|sophos|mcafee|ds_agent|symantec|bitdefender|cortex|xagt|usbguard|denyhosts|psad|modsec"
    r"|firewall|nft|[bp6]tables|^ipset|ufw|shorewall|fail2ban|crowdsec|apparmor|selinux|gatekeep"
    # network and time
    r"|network|netplan|connman|wpa_supplicant|^iwd|^ifup|dhcp|dhclient|^kea|resolv|dns|^named|^bind|unbound"
    r"|^nsd|^knot|kresd|avahi|^frr|^bird|quagga|keepalived|vpn|wireguard|^wg|ipsec|swan|tailscale|zerotier"
    r"|ocserv|pptp|l2tp|racoon|^tinc|nebula|netbird|headscale|cloudflared|ngrok|squid|sockd|danted"
    r"|cilium|calico|flannel|(?<![a-z])ntp|openntp|chrony|timesync|ptp4l|phc2sys"
    # the machine itself, and what runs others
    r"|systemd|dbus|udev|^init|runit|supervis|upstart|emergency|rescue|reboot|halt|poweroff|shutdown|kexec|kdump"
    r"|kmod|modprobe|^modules|sysctl|tuned|acpid|upsd|upsmon|apcups|fwupd|^rc-|packagekit|unattended|^apt|^dnf"
    r"|^yum|cron|^atd|^at$|puppet|salt|chef|ansible|heartbeat|corosync|pacemaker|pcsd|stonith|^sbd"
    r"|docker|containerd|podman|cri-?o|kube|k[03]s|rke2|microk8s|nomad|incus|libvirt|virt|lxc|lxd|qemu|^xen|^pve"
    r"|vmtools|vm-tools|guest-agent|ssm-agent|waagent|^cloud-(?:init|config|final)|snapd"
    # who keeps data
    r"|postgres|pgbouncer|pgpool|pgcat|patroni|repmgr|stolon|barman|backrest|mysql|mariadb|galera|percona|proxysql"
    r"|maxscale|redis|valkey|keydb|dragonfly|mongo|cassandra|scylla|elastic|opensearch|solr|sphinx|manticore|kafka"
    r"|rabbit|activemq|artemis|pulsar|^nats|mosquitto|emqx|beanstalk|memcache|clickhouse|influx|questdb|timescale"
    r"|victoria|cockroach|^tidb|^tikv|neo4j|arango|rethink|riak|hbase|hadoop|hdfs|namenode|datanode|zookeeper|etcd"
    r"|oracle|mssql|^sql|^db2|sybase|informix|firebird|aerospike|foundationdb|hazelcast|couch|minio|ceph|gluster"
    r"|lustre|(?<![a-z])nfs|ganesha|autofs|rpcbind|portmap|rsync|drbd|^nbd|mount|lvm|mdadm|multipath|iscsi|^target|^tgt|zfs"
    r"|btrfs|^swap|smartd|backup|restic|borg|bacula|bareos|amanda|veeam|duplic|snapshot|snapper|^wal-"
)

# Programs whose every use but reading wants a person, where it is not said by tags already.
_NEVER: Final = re.compile(
    # rights, names and keys
    r"kadmin(?:\.local)?|kinit|kpasswd|ktutil|ipa|samba-tool|smbpasswd|pdbedit|realm|adcli|net|faillock|pam\S*"
    r"|auth(?:select|config)|sss\w+|ldap\w+|slap\w+|ssh-\w+|update-ca-\w+|certutil|keytool|openssl|gpg2?|mokutil"
    r"|sbctl|tpm2\w*|cryptsetup|vault|bao|consul|etcdctl|etcdutl|nomad|step|tctl|tsh|boundary|ch(?:mod|own|grp|attr)"
    r"|setfacl|setcap"
    # what guards the machine
    r"|fail2ban-\w+|aa-\w+|apparmor\w*|semodule|semanage|setsebool|setenforce|restorecon|chcon|auditctl|augenrules"
    r"|firewall-cmd|ufw|ip6?tables\S*|nft|ipset|ebtables|csf|shorewall|cscli|osquery\w*|clam\w+|falco\w*|freshclam"
    # network, and who listens to it
    r"|ifconfig|route|ip|iw\w*|tc|ethtool|brctl|bridge|ovs-\w+|nmcli|networkctl|resolvectl|resolvconf|wg(?:-quick)?"
    r"|ifup|ifdown|netplan|dhclient|dhcpcd|arp|arping|vtysh|birdc?|rndc|unbound-control|pdns\w*|hostname(?:ctl)?"
    r"|tcpdump|tshark|dumpcap|ngrep|nmap|ncat|nc|socat|telnet|tftp|ftp"
    # the machine
    r"|hwclock|timedatectl|chronyc|ntpdate|busctl|dbus-send|gdbus|loginctl|machinectl|localectl|efibootmgr|grub\S*"
    r"|update-grub\d?|kexec|sysctl|modprobe|insmod|rmmod|dmsetup|mdadm|lv\w+|vg(?!s$)\w+|pv(?!s$)\w+|fsck\S*|mkfs\S*"
    r"|tune2fs|resize2fs|xfs_\w+|z(?:pool|fs)|btrfs|drbdadm|ceph|rbd|gluster|iscsiadm|targetcli|multipath\w*|u?mount"
    r"|swapon|swapoff|init|telinit|setpriv|systemd-\w+|coredumpctl|strace|ltrace|gdb|gcore|pstack|perf|bpf\w+"
    r"|renice|prlimit|cgexec|crm\w*|pcs|smartctl|nvme|hdparm|update-alternatives|a2\w+"
    # data, queues and copies of them
    r"|pg_\w+|createdb|createuser|dropdb|dropuser|psql|mysql\w*|mariadb\S*|redis-cli|valkey-cli|mongo\w*|nodetool"
    r"|cqlsh|rabbitmq\S*|kafka-\S+|zkcli\S*|hdfs|hadoop|hbase|hive|clickhouse\S*|influxd?|cockroach|sqlplus|rman|sqlcmd"
    r"|patronictl|repmgr|pgbackrest|barman\S*|wal-g|restic|borg\w*|bconsole|rsnapshot|duplicity|rclone|snapper"
    r"|gsutil|s3cmd|mc|aws|gcloud|az|postsuper|exim4?|sendmail|mailx?|mutt"
    # what runs others, and code that is read from elsewhere
    r"|docker\S*|podman\S*|nerdctl|buildah|ctr|crictl|runc|kubectl|oc|helm|kubeadm|k3s|microk8s|virsh|qm|pct|lx[cd]\S*"
    r"|incus|xl|ansible\S*|salt\S*|puppet|chef\S*|terraform|tofu|java|mono|dotnet|erl|iex|irb|elixir|groovy|scala"
    r"|jshell|guile|julia|tclsh|wish|expect|ipython\d?|rails|rscript|xargs|parallel|at|batch|crontab"
    # what is written comes from elsewhere, too: its words do not tell
    r"|tee|sponge|dd|patch|cpio|install",
    re.IGNORECASE,
)
_CONSOLE: Final = frozenset({"console", "dbconsole", "shell", "eval", "eval-file", "repl", "tinker"})

# Wrappers run what follows them; it is that which counts.
_WRAPPERS: Final = frozenset(
    {"builtin", "chrt", "command", "doas", "env", "exec", "ionice", "nice", "nohup", "setsid", "stdbuf", "sudo",
     "taskset", "time", "timeout"}
)  # fmt: skip
_WRAPPED: Final = re.compile(r"-.*|\$[0-9]+:number|[0-9.]+[smhd]?")

_MANAGERS: Final = frozenset(
    {"initctl", "invoke-rc.d", "monit", "pm2", "rc-service", "s6-svc", "service", "supervisorctl", "sv", "svcadm"}
)  # fmt: skip
"""What manages services besides systemd."""
_PLAIN_VERBS: Final = frozenset({"list", "ls", "reload", "restart", "show", "status"})
_SERVICE: Final = re.compile(r"(?!all$)[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_MOVES: Final = frozenset(
    {"disable", "kill", "mask", "off", "reload", "restart", "start", "stop", "try-restart", "unmask"}
)
_OWN_WORDS: Final = {
    "nginx": frozenset({("-t",), ("-T",), ("-s", "reload")}),
    "apachectl": frozenset({("configtest",), ("graceful",), ("-t",)}),
    "apache2ctl": frozenset({("configtest",), ("graceful",), ("-t",)}),
}
"""Programs of which only these words may ever pass."""
_MAKES: Final = frozenset({"mkdir", "touch"})
"""What changes files and brings in nothing that its words do not tell."""


def guards(name: str) -> bool:
    """Whether a service of this name guards, keeps data, lets people in, or is what others stand on."""
    return _GUARDS.search(name.lower()) is not None


def words_of(template: str) -> list[str]:
    """The words of a command's template, slots as they stand; nothing where they cannot be read."""
    try:
        return shlex.split(template)
    except ValueError:
        return []


def unwrapped(words: Sequence[str]) -> list[str]:
    """The words from the program on that does the work, by its name without a folder."""
    rest = list(words)
    while rest and rest[0].rpartition("/")[2] in _WRAPPERS:
        rest = rest[1:]
        while rest and (_WRAPPED.fullmatch(rest[0]) or "=" in rest[0]):
            rest = rest[1:]
    return [rest[0].rpartition("/")[2], *rest[1:]] if rest else []


def why_never(template: str, *, writes: bool) -> str:
    """Why a command that does more than read never passes unasked; empty if its words do not say.

    `writes`: it is tagged as changing files.
    """
    words = unwrapped(words_of(template))
    if not words:
        return "its words cannot be read"
    program, rest = words[0], words[1:]
    plain = [word for word in rest if not word.startswith("-") and not _SLOT.fullmatch(word)]
    always = f"{program} always wants a person"
    parts = (
        (_NEVER.fullmatch(program) or _CONSOLE.intersection(plain), always),
        (program in _OWN_WORDS and tuple(rest) not in _OWN_WORDS[program],
         f"{always} but to look at its settings, or to read them again"),
        (program in _MANAGERS and not _one_service(rest), f"{always} but to restart one plain service"),
        (_MOVES.intersection(plain) and any(map(guards, plain)),
         "it starts or stops what guards, keeps data or lets people in"),
        (writes and program not in _MAKES, "what it writes is not all in its words"),
    )  # fmt: skip
    return next((why for found, why in parts if found), "")


def _one_service(words: Sequence[str]) -> bool:
    """Whether these are a verb that does no harm, and at most one plain service."""
    verbs = [word for word in words if word in _PLAIN_VERBS]
    names = [word for word in words if word not in _PLAIN_VERBS]
    return (
        len(verbs) == 1 and len(names) <= 1
        and all(_SERVICE.fullmatch(name) and not guards(name) for name in names)
    )  # fmt: skip
