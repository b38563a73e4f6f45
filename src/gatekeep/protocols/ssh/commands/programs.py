"""What programs are known for: tags of a program with its words.

Tables first, rules for single programs below. A program that is not here has no tag, which permits
nothing: only `readers` names what is harmless.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

DESTRUCTIVE: Final = "destructive"
PRIVILEGE: Final = "privilege"
NETWORK: Final = "network_egress"
OPENS_OPAQUE: Final = "opens_opaque"
MUTABLE_CODE: Final = "mutable_code"
READS_SECRET: Final = "reads_secret"  # noqa: S105 - the name of a tag
PERSISTENCE: Final = "persistence"
EDIT_AND_EXECUTE: Final = "edit_and_execute"
TRANSFER: Final = "transfer"
SFTP: Final = "sftp_server"
WRITES: Final = "writes"
READS_ONLY: Final = "reads_only"


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_BY_TAG: Final = {
    DESTRUCTIVE: _names(
        "rm rmdir unlink shred srm wipe wipefs mkfs mke2fs mkswap fdisk sfdisk cfdisk sgdisk gdisk parted blkdiscard"
        " lvremove vgremove pvremove lvreduce kill killall killall5 pkill skill shutdown reboot halt poweroff init telinit"
        " truncate userdel groupdel deluser delgroup dropdb dropuser fuser swapoff umount cryptsetup mdadm zpool zfs"
        " sponge logrotate tmpwatch tmpreaper fstrim badblocks hdparm nvme debugfs tune2fs resize2fs e2fsck fsck xfs_repair"
    ),
    PRIVILEGE: _names(
        "sudo sudoedit doas su runuser pkexec gosu su-exec setuidgid chpst runcon setpriv capsh setcap newgrp sg visudo vipw"
        " vigr useradd adduser usermod userdel deluser groupadd addgroup groupmod groupdel passwd chpasswd chgpasswd gpasswd"
        " chage chsh chfn chroot nsenter unshare pivot_root switch_root mount umount insmod rmmod modprobe kexec sysctl"
        " iptables ip6tables iptables-restore ip6tables-restore nft ufw firewall-cmd ipset setenforce semanage setsebool"
        " chcon restorecon apparmor_parser aa-complain aa-disable auditctl"
        " apt apt-get aptitude dpkg yum dnf rpm zypper pacman apk snap flatpak rpm-ostree"
        " systemctl service initctl rc-service systemd-run systemd-nspawn machinectl start-stop-daemon update-rc.d chkconfig"
        " shutdown reboot halt poweroff init telinit docker podman nerdctl ctr crictl kubectl oc helm lxc virsh kadmin"
        " ldconfig update-alternatives alternatives update-initramfs grub-install update-grub kpatch bpftool"
    ),
    NETWORK: _names(
        "curl wget wget2 aria2c axel lynx links elinks w3m nc ncat netcat nc.openbsd nc.traditional socat telnet ssh slogin"
        " autossh mosh scp sftp rsync ftp lftp tftp ncftp smbclient rclone aws gcloud gsutil az doctl s3cmd mc rsh rlogin rcp"
        " rexec nmap masscan dig nslookup host drill whois mail mailx mutt sendmail msmtp swaks git hg svn cvs bzr pip pip3"
        " npm npx yarn pnpm gem cargo go composer apt apt-get yum dnf zypper pacman apk snap psql mysql mariadb mongo mongosh"
        " redis-cli sqlplus clickhouse-client cqlsh ldapsearch ldapmodify snmpwalk snmpget chisel frpc ngrok cloudflared"
        " tailscale wg wg-quick openvpn proxychains proxychains4 torsocks torify ssh-copy-id ssh-keyscan http https xh httpie"
        " pg_dump pg_restore mysqldump iperf iperf3 ansible ansible-playbook"
    ),
    OPENS_OPAQUE: _names(
        "vi vim vim.basic vim.tiny nvim view ex ed red rvim gvim vimdiff emacs emacsclient nano pico joe jed micro mcedit ne"
        " helix hx kak less more most pg man info top htop btop atop nmon iotop iftop nethogs glances mc ranger nnn lf vifm"
        " start-stop-daemon systemd-nspawn machinectl tmux screen byobu zellij dtach abduco expect gdb lldb dbx ipython bpython psql mysql mariadb sqlite3 mongo"
        " mongosh redis-cli sqlplus clickhouse-client cqlsh ftp lftp telnet mosh sftp python python2 python3 pypy pypy3 perl"
        " ruby irb node nodejs deno bun php lua luajit tclsh wish expect guile ghci scala groovy jshell julia R Rscript octave"
        " erl iex gnuplot bc dc newgrp capsh crash visudo vipw vigr sudoedit cscope at batch"
        " make gmake ninja cmake rake ant mvn gradle npm npx yarn pnpm pip pip3 gem cargo go composer ansible ansible-playbook"
        " ansible-console terraform tofu jjs rlogin rsh virsh bluetoothctl nmcli fdisk gdisk parted cfdisk dialog"
        " whiptail watchexec entr run-parts msfconsole nmap socat w3m lynx links"
        " elinks mutt alpine irssi weechat tig lazygit fzf sk fc bind cpan"
    ),
    MUTABLE_CODE: _names(
        "make gmake ninja cmake rake ant mvn gradle npm npx yarn pnpm pip pip3 gem cargo go composer ansible ansible-playbook"
        " terraform tofu source . run-parts insmod entr watchexec"
    ),
    PERSISTENCE: _names(
        "crontab at batch atrm visudo vipw vigr useradd adduser usermod groupadd groupmod passwd chpasswd gpasswd chsh"
        " update-rc.d chkconfig ssh-copy-id systemd-run update-alternatives alternatives ldconfig grub-install update-grub"
        " update-initramfs setcap sudoedit dpkg apt apt-get yum dnf rpm zypper pacman apk snap"
    ),
    TRANSFER: _names(
        "scp rsync sftp git-upload-pack git-receive-pack git-upload-archive git-shell rz sz lrz lsz sb rb sx rx"
    ),
    SFTP: _names("sftp-server internal-sftp"),
    EDIT_AND_EXECUTE: _names("fc"),
}  # fmt: skip

#: Interpreters: what they run is a language of its own, from a file or from their words.
INTERPRETERS: Final = _names(
    "python python2 python3 pypy pypy3 perl ruby node nodejs deno bun php lua luajit tclsh expect guile groovy julia R Rscript"
    " octave erl jshell scala gnuplot tcl m4"
)
_VERSIONED: Final = re.compile(r"(python|perl|ruby|php|lua|node|tclsh|bash|zsh|ksh|pypy)[0-9.]+")
_ENDINGS: Final = (("mkfs.", "mkfs"), ("fsck.", "fsck"), ("mount.", "mount"))
_VERSION_FLAGS: Final = _names("--version -V --help")

_VERBS: Final[dict[str, dict[str, frozenset[str]]]] = {
    "git": {
        DESTRUCTIVE: _names("clean reset rm filter-branch gc prune --force -f --force-with-lease --mirror --delete"),
        TRANSFER: _names("clone fetch pull push upload-pack receive-pack upload-archive archive"),
        MUTABLE_CODE: _names("-c --exec-path --upload-pack --receive-pack --exec submodule bisect rebase hook config"),
        PERSISTENCE: _names("--global --system"),
        WRITES: _names("clone pull checkout switch restore reset merge rebase apply am stash init worktree add commit mv rm clean"),
        OPENS_OPAQUE: _names("commit rebase --edit -p --paginate difftool mergetool grep -O help gui citool bisect -i --interactive"),
    },
    "systemctl": {
        DESTRUCTIVE: _names("stop kill disable mask isolate poweroff reboot halt kexec soft-reboot emergency rescue exit"
                            " switch-root clean revert restart try-restart reload-or-restart"),
        PERSISTENCE: _names("enable link edit preset preset-all reenable set-property add-wants add-requires set-default"
                            " daemon-reload daemon-reexec import-environment set-environment"),
        OPENS_OPAQUE: _names("edit"),
    },
    "service": {DESTRUCTIVE: _names("stop restart")},
    "crontab": {DESTRUCTIVE: _names("-r"), OPENS_OPAQUE: _names("-e")},
    "docker": {
        DESTRUCTIVE: _names("rm rmi prune kill stop down restart pause remove"),
        NETWORK: _names("pull push login build"), MUTABLE_CODE: _names("build compose load import"),
        OPENS_OPAQUE: _names("attach"), READS_SECRET: _names("inspect"), TRANSFER: _names("cp"),
    },
    "kubectl": {
        DESTRUCTIVE: _names("delete drain cordon taint scale replace rollout"),
        MUTABLE_CODE: _names("apply create patch replace"), OPENS_OPAQUE: _names("edit attach debug"),
        NETWORK: _names("port-forward proxy cp"), READS_SECRET: _names("secret secrets"), TRANSFER: _names("cp"),
    },
    "aws": {DESTRUCTIVE: _names("rm rb terminate-instances delete-stack"), READS_SECRET: _names("secretsmanager ssm get-secret-value")},
    "vault": {READS_SECRET: _names("read kv print")},
    "getent": {READS_SECRET: _names("shadow gshadow")},
    "gpg": {READS_SECRET: _names("--export-secret-keys --export-secret-subkeys --decrypt -d")},
    "redis-cli": {DESTRUCTIVE: _names("flushall flushdb del shutdown FLUSHALL FLUSHDB DEL SHUTDOWN")},
    "virsh": {DESTRUCTIVE: _names("destroy undefine shutdown")},
    "ip": {PRIVILEGE: _names("add del delete set flush change replace append netns"), DESTRUCTIVE: _names("del delete flush down")},
    "iptables": {DESTRUCTIVE: _names("-F --flush -X -P")},
    "nft": {DESTRUCTIVE: _names("flush delete destroy")},
    "apt": {DESTRUCTIVE: _names("remove purge autoremove")}, "apt-get": {DESTRUCTIVE: _names("remove purge autoremove")},
    "yum": {DESTRUCTIVE: _names("remove erase")}, "dnf": {DESTRUCTIVE: _names("remove erase")},
    "dpkg": {DESTRUCTIVE: _names("-r -P --remove --purge")}, "rpm": {DESTRUCTIVE: _names("-e --erase")},
    "terraform": {DESTRUCTIVE: _names("destroy apply")}, "helm": {DESTRUCTIVE: _names("uninstall delete rollback")},
    "pip": {DESTRUCTIVE: _names("uninstall")},
    "history": {DESTRUCTIVE: _names("-c -d -w")},
    "enable": {MUTABLE_CODE: _names("-f")}, "hash": {MUTABLE_CODE: _names("-p")},
    "ssh-keygen": {PERSISTENCE: _names("-f -R -A -p")},
    "loginctl": {DESTRUCTIVE: _names("terminate-session terminate-user kill-session kill-user"), PERSISTENCE: _names("enable-linger")},
    "timedatectl": {PRIVILEGE: _names("set-time set-timezone set-ntp")}, "hostnamectl": {PRIVILEGE: _names("set-hostname hostname")},
    "dmesg": {DESTRUCTIVE: _names("-C -c --clear --read-clear")},
    "journalctl": {DESTRUCTIVE: _names("--rotate --flush --vacuum-size --vacuum-time --vacuum-files")},
    "tcpdump": {READS_SECRET: _names("-w -A -X"), OPENS_OPAQUE: _names("-z")},
    "openssl": {NETWORK: _names("s_client"), MUTABLE_CODE: _names("-engine")},
    "ctr": {OPENS_OPAQUE: _names("exec")},
    "date": {PRIVILEGE: _names("-s --set")},
}  # fmt: skip

#: Options by which a program runs another, or reads options from a file.
_RUNNING_OPTIONS: Final = {
    "tar": (("to-command", "checkpoint-action", "use-compress-program", "info-script", "new-volume-script", "rsh-command"), "IF"),
    "rsync": (("rsh", "rsync-path"), "e"),
    "scp": (("",), "SoDF"), "sftp": (("",), "SoDFbs"), "ssh": (("",), "oFS"), "slogin": (("",), "oFS"),
    "zip": (("unzip-command",), "T"), "man": (("pager", "html", "browser", "preprocessor"), "PH"),
    "split": (("filter",), ""), "sort": (("compress-program",), ""), "wget": (("use-askpass", "config"), ""),
    "curl": (("config",), "K"), "cpio": (("rsh-command",), ""), "sed": (("file",), "f"), "awk": (("file",), "fEil"),
    "gawk": (("file", "exec", "include", "load"), "fEil"), "tcpdump": (("",), "z"), "nmap": (("script", "interactive"), ""),
    "crontab": (("",), "e"), "nc": (("exec", "sh-exec"), "ec"), "ncat": (("exec", "sh-exec"), "ec"), "netcat": (("exec",), "ec"), "dpkg": (("pre-invoke", "post-invoke"), ""),
    "vim": (("cmd",), "cuS"), "apt": (("option",), "oc"), "apt-get": (("option",), "oc"), "logrotate": (("",), "lsm"),
}  # fmt: skip

_PAGES: Final = _names("git journalctl systemctl loginctl timedatectl localectl hostnamectl machinectl networkctl resolvectl coredumpctl systemd-analyze psql bat delta aws gh")
_AWK: Final = _names("awk gawk mawk nawk")
_AWK_RUNS: Final = re.compile(r"system\s*\(|getline|\||@")
_SED_RUNS: Final = re.compile(r"(?:^|[;{}\n0-9$/!])\s*[ewWr](?:\s|$)|/[a-zA-Z0-9]*e[a-zA-Z0-9]*\s*(?:$|[;}\n])")
_SETUID: Final = re.compile(r"0?[2467]\d{3}|.*\+.*s.*|.*=.*s.*")


def known_as(name: str) -> str:
    """The name that tables know a program by: `python3.11` is `python3`, `mkfs.ext4` is `mkfs`."""
    for start, plain in _ENDINGS:
        if name.startswith(start):
            return plain
    found = _VERSIONED.fullmatch(name)
    return found[1] if found else name


def tags_of(program: str, words: Sequence[str], *, terminal: bool = False) -> set[str]:
    """The tags of a program with these words (itself not among them).

    `terminal`: it writes to a terminal, where some open a pager.
    """
    name = known_as(program)
    tags = {tag for tag, names in _BY_TAG.items() if name in names}
    given = {*words, *(one.partition("=")[0] for one in words)}
    tags |= {tag for tag, verbs in _VERBS.get(_FAMILY.get(name, name), {}).items() if not verbs.isdisjoint(given)}
    if name in _RUNNING_OPTIONS and _runs_by_option(name, words):
        tags |= {OPENS_OPAQUE, MUTABLE_CODE}
    if terminal and name in _PAGES and "--no-pager" not in given:
        tags.add(OPENS_OPAQUE)
    rule = _RULES.get(name)
    if rule is not None:
        rule(words, tags)
    if name in INTERPRETERS:
        _interpreter(words, tags)
    return tags


_FAMILY: Final = {
    "podman": "docker", "nerdctl": "docker", "docker-compose": "docker", "oc": "kubectl", "ip6tables": "iptables",
    "pip3": "pip", "tofu": "terraform", "nvim": "vim",
}  # fmt: skip


def _runs_by_option(name: str, words: Sequence[str]) -> bool:
    long, letters = _RUNNING_OPTIONS[name]
    for word in words:
        if word.startswith("--"):
            given = word[2:].partition("=")[0]
            if given and any(one.startswith(given) for one in long if one):
                return True
        elif word.startswith("-") and any(one in letters for one in word[1:]):
            return True
    return False


def _interpreter(words: Sequence[str], tags: set[str]) -> None:
    """A file to run is code that the account may change; nothing but a version asked for is harmless."""
    tags.add(OPENS_OPAQUE)
    if words and all(one in _VERSION_FLAGS for one in words):
        tags.discard(OPENS_OPAQUE)
    elif any(not one.startswith("-") for one in words):
        tags.add(MUTABLE_CODE)


def _dd(words: Sequence[str], tags: set[str]) -> None:
    if any(one.startswith("of=") for one in words):
        tags |= {WRITES, DESTRUCTIVE}


def _writing_option(letters: str, *long: str) -> Callable[[Sequence[str], set[str]], None]:
    """A rule: with one of these options it writes a file."""

    def rule(words: Sequence[str], tags: set[str]) -> None:
        for word in words:
            name = word[2:].partition("=")[0] if word.startswith("--") else ""
            if (name and any(one.startswith(name) for one in long)) or (not name and word.startswith("-") and any(one in letters for one in word[1:])):
                tags.add(WRITES)

    return rule


def _remote_end(words: Sequence[str], tags: set[str]) -> None:
    """The end of a transfer that a client asks for: it dials nobody, and its letters mean something else."""
    if "--server" in words:
        tags -= {NETWORK, OPENS_OPAQUE, MUTABLE_CODE}


def _scp(words: Sequence[str], tags: set[str]) -> None:
    if any(one.startswith("-") and not one.startswith("--") and ("t" in one or "f" in one) for one in words[:4]):
        tags.discard(NETWORK)


def _find(words: Sequence[str], tags: set[str]) -> None:
    if "-delete" in words:
        tags.add(DESTRUCTIVE)
    if any(one in ("-fprint", "-fprint0", "-fprintf", "-fls") for one in words):
        tags.add(WRITES)


def _chmod(words: Sequence[str], tags: set[str]) -> None:
    if any(_SETUID.fullmatch(one) for one in words):
        tags.add(PRIVILEGE)


def _awk(words: Sequence[str], tags: set[str]) -> None:
    if any(_AWK_RUNS.search(one) for one in words):
        tags.add(OPENS_OPAQUE)


def _sed(words: Sequence[str], tags: set[str]) -> None:
    if any(one.startswith(("-i", "--in-place")) or (one[:1] == "-" != one[1:2] and "i" in one) for one in words):
        tags.add(WRITES)
    if any(_SED_RUNS.search(one) for one in words if not one.startswith("-")):
        tags.add(OPENS_OPAQUE)


def _git(words: Sequence[str], tags: set[str]) -> None:
    if words and all(one not in _VERBS["git"][TRANSFER] and not one.startswith("remote") for one in words):
        tags.discard(NETWORK)


def _client(words: Sequence[str], tags: set[str]) -> None:
    """A database client: what it runs is not read here; a file of statements can be changed."""
    if any(one.startswith(("-f", "--file", "--eval")) for one in words):
        tags.add(MUTABLE_CODE)


def _container(words: Sequence[str], tags: set[str]) -> None:
    if any(one.startswith(("-i", "-t", "--interactive", "--tty")) for one in words):
        tags.add(OPENS_OPAQUE)
    if any(one in ("ps", "images", "logs", "stats", "top", "version", "info", "get", "describe") for one in words[:1]):
        tags.discard(PRIVILEGE)


def _systemctl(words: Sequence[str], tags: set[str]) -> None:
    from_reading = ("status", "show", "cat", "list-", "is-", "get-default")
    verb = next((one for one in words if not one.startswith("-")), "status")
    if verb.startswith(from_reading):
        tags.discard(PRIVILEGE)


def _package(words: Sequence[str], tags: set[str]) -> None:
    verb = next((one for one in words if not one.startswith("-")), "")
    if verb in ("list", "show", "search", "policy") or (words and re.fullmatch(r"-[qlLsSpW][a-zA-Z]*", words[0])):
        tags -= {PRIVILEGE, PERSISTENCE, NETWORK}


def _second_word(tag: str, most: int) -> Callable[[Sequence[str], set[str]], None]:
    """A rule: more than so many words that are no options."""

    def rule(words: Sequence[str], tags: set[str]) -> None:
        if sum(not one.startswith("-") for one in words) > most:
            tags.add(tag)

    return rule


def _strace(words: Sequence[str], tags: set[str]) -> None:
    _writing_option("o", "output")(words, tags)
    if any(one.lstrip("-o=utp").startswith(("|", "!")) for one in words):
        tags |= {OPENS_OPAQUE, MUTABLE_CODE}


def _mount(words: Sequence[str], tags: set[str]) -> None:
    if not words:
        tags.discard(PRIVILEGE)


def _crontab(words: Sequence[str], tags: set[str]) -> None:
    if list(words) == ["-l"]:
        tags -= {PERSISTENCE, OPENS_OPAQUE}


def _fc(words: Sequence[str], tags: set[str]) -> None:
    if any(one.startswith("-") and "l" in one for one in words):
        tags -= {EDIT_AND_EXECUTE, OPENS_OPAQUE}


def _sysctl(words: Sequence[str], tags: set[str]) -> None:
    if not any(one.startswith(("-w", "-p", "--write", "--load", "--system")) or "=" in one for one in words):
        tags.discard(PRIVILEGE)


def _kill(words: Sequence[str], tags: set[str]) -> None:
    if words and words[0] in ("-l", "-L", "-0"):
        tags.discard(DESTRUCTIVE)


_RULES: Final[dict[str, Callable[[Sequence[str], set[str]], None]]] = {
    "dd": _dd, "find": _find, "chmod": _chmod, **dict.fromkeys(_AWK, _awk), "sed": _sed, "git": _git, "psql": _client,
    "mysql": _client, "redis-cli": _client, "sqlite3": _client, "docker": _container, "podman": _container,
    "nerdctl": _container, "kubectl": _container, "oc": _container, "crictl": _container, "systemctl": _systemctl,
    **dict.fromkeys(("apt", "dpkg", "rpm", "yum", "dnf", "snap", "zypper", "apk", "pacman"), _package), "mount": _mount,
    "curl": _writing_option("oOJDc", "output", "remote-name", "dump-header", "cookie-jar", "create-dirs", "trace"),
    "sort": _writing_option("o", "output"), "rsync": _remote_end, "scp": _scp, "strace": _strace, "uniq": _second_word(WRITES, 1), "hostname": _second_word(PRIVILEGE, 0), "tcpdump": _writing_option("w"),
    "openssl": _writing_option("", "out"), "gpg": _writing_option("o", "output", "import"), "time": _writing_option("oa", "output"),
    "crontab": _crontab, "fc": _fc, "sysctl": _sysctl, "kill": _kill,
}  # fmt: skip
