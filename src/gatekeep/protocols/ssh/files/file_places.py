"""Which files open a door for later (`persistence`) and which hold secrets (`reads_secret`).

Tables, and one function that reads them. Upper bounds: compared without regard to case, because
some targets do not tell cases apart, and a directory stands for all that is below it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from typing import Final

PERSISTENCE: Final = "persistence"
READS_SECRET: Final = "reads_secret"  # noqa: S105 - a tag, not a secret
PRIVILEGE: Final = "privilege"
DESTRUCTIVE: Final = "destructive"

#: What runs or lets in later without being asked: everywhere below these.
_RUNS_LATER_BELOW: Final = (
    "/etc", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/usr", "/boot", "/proc", "/sys", "/dev",
    "/var/spool/cron", "/var/spool/at", "/var/spool/anacron", "/run/systemd", "/library",
    "/system",
)  # fmt: skip
#: The same, wherever a directory or file of this name is.
_RUNS_LATER_NAMED: Final = frozenset({
    ".ssh", ".config", ".bashrc", ".bash_profile", ".bash_login", ".bash_logout", ".bash_aliases",
    ".profile", ".zshrc", ".zshenv", ".zprofile", ".zlogin", ".zlogout", ".kshrc", ".mkshrc",
    ".cshrc", ".tcshrc", ".login", ".logout", ".inputrc", ".xprofile", ".xinitrc", ".xsession",
    ".xsessionrc", ".pam_environment", ".environment", ".forward", ".procmailrc", ".rhosts",
    ".shosts", ".k5login", ".vimrc", ".exrc", ".nanorc", ".emacs", ".emacs.d", ".vim",
    ".gitconfig", ".gdbinit", ".npmrc", ".pythonrc", ".psqlrc", ".screenrc", ".tmux.conf", ".crontab",
    "authorized_keys", "authorized_keys2", "crontab", "launchagents", "launchdaemons",
    "sitecustomize.py", "usercustomize.py",
})  # fmt: skip
#: Pairs of names that follow each other.
_RUNS_LATER_PAIRS: Final = frozenset({(".git", "hooks"), (".git", "config"), (".local", "bin")})
#: A home as such: what is put in its place brings a whole set of start-up files.
_HOME: Final = re.compile(r"/(root|(home|users)(/[^/]+)?)?")

_SECRET_BELOW: Final = (
    "/etc/shadow", "/etc/gshadow", "/etc/shadow-", "/etc/gshadow-", "/etc/master.passwd",
    "/etc/ssl/private", "/etc/sudoers", "/etc/sudoers.d", "/etc/krb5.keytab", "/etc/kubernetes",
    "/etc/wireguard", "/etc/openvpn", "/etc/rancher", "/var/lib/kubelet", "/var/run/secrets",
    "/run/secrets", "/etc/security/opasswd", "/var/backups/shadow.bak", "/proc/kcore", "/dev/mem",
    "/dev/kmem", "/etc/letsencrypt/archive", "/etc/letsencrypt/live",
)  # fmt: skip
_SECRET_NAMED: Final = frozenset({
    ".pgpass", ".netrc", "_netrc", ".my.cnf", ".mylogin.cnf", ".git-credentials", ".aws", ".azure",
    ".gnupg", ".kube", ".password-store", ".vault-token", ".env", ".npmrc", ".pypirc", ".htpasswd",
    ".dockercfg", ".boto", ".s3cfg", "keyrings", "gcloud", ".terraformrc",
    ".bash_history", ".zsh_history", ".psql_history", ".mysql_history", ".python_history",
    "credentials", "credentials.json", "kubeconfig", "wallet.dat", "logins.json", "key4.db",
})  # fmt: skip
_SECRET_PAIRS: Final = frozenset({
    (".docker", "config.json"), ("gh", "hosts.yml"), (".config", "rclone"), (".cargo", "credentials.toml"),
})  # fmt: skip
_SECRET_SHAPES: Final = re.compile(
    r".*\.(pem|key|p12|pfx|jks|keystore|kdbx|ppk|ovpn|keytab|env)|\.env\..*|id_[a-z0-9-]+"
    r"|ssh_host_[a-z0-9_]+_key|secring\..*|terraform\.tfstate(\..*)?"
)
#: What is no secret in a `.ssh`, the directory itself included.
_OPEN_IN_SSH: Final = (".pub", "known_hosts", ".ssh", "config", "authorized_keys", "authorized_keys2")
_PROC_SECRET: Final = re.compile(
    r"/proc/[^/]+/(task/[^/]+/)?(environ|mem|cmdline|(fd|root|cwd)(/.*)?)"
)


def place_tags(paths: Iterable[str], *, reads: bool = False, changes: bool = False) -> frozenset[str]:
    """The tags of names (as written, or absolute) for what is done: reading, changing, or both."""
    tags: set[str] = set()
    for path in paths:
        lowered = path.lower()
        parts = [part for part in lowered.split("/") if part not in ("", ".")]
        if changes and _runs_later(lowered, parts):
            tags.add(PERSISTENCE)
        if reads and _secret(lowered, parts):
            tags.add(READS_SECRET)
    return frozenset(tags)


def _runs_later(path: str, parts: list[str]) -> bool:
    return (
        _below(path, _RUNS_LATER_BELOW)
        or not _RUNS_LATER_NAMED.isdisjoint(parts)
        or not _RUNS_LATER_PAIRS.isdisjoint(itertools.pairwise(parts))
        or (path.startswith("/") and _HOME.fullmatch(path) is not None)
    )


def _secret(path: str, parts: list[str]) -> bool:
    return (
        _below(path, _SECRET_BELOW)
        or not _SECRET_NAMED.isdisjoint(parts)
        or not _SECRET_PAIRS.isdisjoint(itertools.pairwise(parts))
        or any(_SECRET_SHAPES.fullmatch(part) for part in parts[-1:])
        or (".ssh" in parts and not parts[-1].endswith(_OPEN_IN_SSH))
        or _PROC_SECRET.fullmatch(path) is not None
    )


def _below(path: str, places: tuple[str, ...]) -> bool:
    return any(path == place or path.startswith(place + "/") for place in places)
