"""Places in a target's file system: which hold secrets, which outlive a session, which the account can write.

By name alone: nothing is looked up, links are not followed. Names are taken as upper bounds, so a
pattern or a relative name counts as every place that it may mean.
"""

from __future__ import annotations

import fnmatch
import functools
import posixpath
import re
from collections.abc import Collection
from typing import Final

from gatekeep.protocols.ssh.commands.words import HOLE

_LONGEST: Final = 4096
_MOST_STARS: Final = 20
#: A pattern with fewer letters says nothing about what it means.
_FEWEST_LETTERS: Final = 2

_SYSTEM_PROGRAMS: Final = (
    "/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/", "/usr/local/bin/", "/usr/local/sbin/",
    "/usr/lib/", "/usr/libexec/", "/lib/", "/lib64/", "/snap/bin/",
)  # fmt: skip

_SECRET: Final = re.compile(
    r"""
    (?: ^|/ ) (?:
        (?: shadow | gshadow | opasswd | master\.passwd | sudoers ) -?
      | sudoers\.d / .*
      | ssh_host_ [^/]* _key
      | (?: ssl | tls ) / private (?: / .* )?
      | (?: krb5 | [^/]* ) \.keytab
      | privkey [^/]* \.pem
      | wireguard / .*
      | \.ssh (?: / (?! (?: known_hosts | config | authorized_keys | [^/]* \.pub ) [^/]* $ ) .* )?
      | id_ (?: rsa | dsa | ecdsa | ed25519 ) (?: _sk )?
      | [^/]* \. (?: pem | key | p12 | pfx | jks | ppk | kdbx | ovpn | pkcs12 )
      | \.aws (?: / .* )? | \.azure (?: / .* )? | \.config/gcloud (?: / .* )?
      | \.config/gh (?: / .* )? | \.kube (?: / config .* )? | \.docker (?: / config\.json )?
      | kubernetes / (?: pki / .* | [^/]* \.conf ) | k3s\.yaml
      | \.pgpass | \.my\.cnf | \.mylogin\.cnf | \.netrc | \.git-credentials | \.npmrc | \.pypirc
      | \.vault-token | \.htpasswd | \.s3cfg | \.boto | \.rhosts | \.authinfo (?: \.gpg )?
      | \.gnupg (?: / .* )? | \.password-store (?: / .* )? | \.env (?: \. [^/]* )?
      | \. (?: bash | zsh | sh | psql | mysql | python | rediscli ) _history
      | wp-config\.php | terraform\.tfstate (?: \. [^/]* )? | master\.key
      | credentials? (?: \. (?: json | ya?ml | xml | ini ) )?
      | secrets? (?: \. (?: json | ya?ml | env | toml | ini ) | / .* )?
    ) $
    | ^ / proc / [^/]+ / (?: task / [^/]+ / )? (?: environ | mem | root / .* | fd / .* )? $
    | ^ / (?: proc / kcore | dev / (?: mem | kmem | port | sd .* | nvme .* | vd .* | xvd .* | dm-.*
        | mapper / .* | disk / .* ) ) $
    """,
    re.VERBOSE,
)

_PERSISTENT: Final = re.compile(
    r"""
    (?: ^|/ ) (?:
        \.ssh (?: / .* )?
      | \. (?: bashrc | bash_profile | bash_login | bash_logout | bash_aliases | profile | inputrc
          | zshrc | zshenv | zprofile | zlogin | zlogout | kshrc | mkshrc | cshrc | tcshrc | login
          | logout | pam_environment | xinitrc | xsession | xsessionrc | xprofile | vimrc | exrc
          | emacs | gitconfig | psqlrc | screenrc | tmux\.conf | nanorc | lesskey | pythonrc
          | forward | procmailrc | netrc | rhosts | shosts )
      | \.config (?: / .* )? | \.local/ (?: bin | share/systemd | share/applications
          | lib/python.* ) (?: / .* )?
      | \.git/hooks (?: / .* )? | authorized_keys2? | sitecustomize\.py | usercustomize\.py
    ) $
    | ^ / (?: etc | boot | bin | sbin | lib | lib64 | usr (?! /src | /share/doc ) | root/\..*
        | var/spool/ (?: cron | at .* | anacron ) | run/systemd | opt | srv/.*/bin
        | var/www/cgi-bin | var/lib/systemd | proc/sys | sys ) (?: / .* )? $
    | ^ / $
    """,
    re.VERBOSE,
)

_HOLDS_SECRETS: Final = re.compile(
    r"^(?:/|/etc(?:/(?:ssh|ssl|security|letsencrypt(?:/.*)?|kubernetes))?|/root|/home(?:/[^/]*)?|~|/proc"
    r"|/dev|/run|/var/run)?$"
)

#: What patterns are tried on: a pattern that may mean one of these may read a secret.
_SAMPLES: Final = (
    "/etc/shadow", "/etc/gshadow", "/etc/sudoers", "/etc/ssh/ssh_host_rsa_key", "~/.ssh/id_rsa",
    "~/.ssh/id_ed25519", "/root/.ssh/id_rsa", "/home/x/.ssh/id_rsa", "~/.aws/credentials",
    "/root/.aws/credentials", "/home/x/.aws/credentials", "~/.pgpass", "/root/.pgpass",
    "/proc/1/environ", "/proc/self/environ", "shadow", "id_rsa", ".pgpass", ".env", ".ssh/id_rsa",
    "/home/x/.pgpass", "/home/x/.netrc", "~/.netrc", "/home/x/.kube/config", "~/.kube/config",
    "../etc/shadow", "../../etc/shadow", "/home/x/.bash_history", "/etc/ssl/private/x.key",
)  # fmt: skip

_NOTHING_WRITTEN: Final = frozenset(
    {"/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty", "/dev/full", "/dev/zero"}
)


def normalised(path: str) -> str:
    """The path without `.`, `//` and, as far as names tell, `..`."""
    if not path:
        return ""
    plain = posixpath.normpath(path)
    return plain[1:] if plain.startswith("//") else plain


def spellings(path: str, directories: Collection[str] = ()) -> frozenset[str]:
    """The names that a path may stand for: as written, normalised, below each of `directories`.

    A relative path that climbs out of where it begins may mean the same names below the root.
    """
    plain = normalised(path)
    found = {path, plain}
    if path.startswith("~"):
        _, _, below = plain.partition("/")
        found.add(f"~/{below}" if below else "~")
    elif not path.startswith("/"):
        found.update(normalised(f"{one}/{path}") for one in directories)
        climbed = plain
        while climbed.startswith("../"):
            climbed = climbed[3:]
        if climbed != plain:
            found.add(f"/{climbed}")
    return frozenset(found)


@functools.lru_cache(maxsize=2048)
def is_secret(path: str, *, pattern: bool = False) -> bool:
    """Whether reading this may show a secret: keys, password hashes, credentials, memory."""
    if pattern:
        return _may_mean(path, _SAMPLES)
    return any(_SECRET.search(one) is not None for one in spellings(path[:_LONGEST]))


def holds_secrets(path: str) -> bool:
    """Whether something below this directory is secret, to one who reads all of it."""
    return is_secret(path) or _HOLDS_SECRETS.match(normalised(path)) is not None


@functools.lru_cache(maxsize=2048)
def is_persistent(path: str, *, pattern: bool = False) -> bool:
    """Whether writing here outlives the session: keys, start-up files, cron, units, `/etc`, programs."""
    if pattern:
        path = path.partition("*")[0].partition("?")[0].partition("[")[0]
    return any(_PERSISTENT.search(one) is not None for one in spellings(path[:_LONGEST]))


def is_changeable(program: str) -> bool:
    """Whether a program's path is not one of the system's own, so that the account may have written it."""
    if "/" not in program:
        return False
    plain = normalised(program)
    return not (plain.startswith(_SYSTEM_PROGRAMS) and HOLE not in plain)


def is_nowhere(path: str) -> bool:
    """Whether what is written there changes nothing: `/dev/null`, a terminal, an open stream."""
    plain = normalised(path)
    return plain in _NOTHING_WRITTEN or re.fullmatch(r"/dev/fd/\d+", plain) is not None


def is_socket(path: str) -> bool:
    """Whether the shell opens a connection for this name (`/dev/tcp/…`)."""
    return normalised(path).startswith(("/dev/tcp/", "/dev/udp/"))


def _may_mean(pattern: str, names: Collection[str]) -> bool:
    """Whether a pattern over file names, braces and unknown parts included, may stand for one of `names`."""
    wide = re.sub(r"\{[^{}]*\}", "*", pattern.replace(HOLE, "*"))
    wide = re.sub(r"[?*+@!]\([^()]*\)", "*", wide)
    wide = re.sub(r"\*+", "*", wide)
    if len(wide) > _LONGEST or wide.count("*") > _MOST_STARS:
        return True
    if sum(one.isalnum() for one in wide) < _FEWEST_LETTERS:
        return False
    below = wide if wide.startswith(("/", "~")) else wide.lstrip("./")
    found = re.compile(fnmatch.translate(below))
    return any(found.match(name) is not None for name in names)
