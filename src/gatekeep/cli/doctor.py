"""`gatekeep doctor`: what about this machine would hurt a gateway. Looks, and changes nothing.

Whether the files are right is `checking`'s.
"""

from __future__ import annotations

import datetime as dt
import os
import pwd
import resource
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import apsw
import orjson
import typer

from gatekeep.cli.exits import Exit, Stop
from gatekeep.cli.output import visible
from gatekeep.domain.targets import Target, TargetKind, TargetTls
from gatekeep.errors import SettingsError
from gatekeep.identity.certificates import ends_at
from gatekeep.identity.secrets import SecretReader
from gatekeep.identity.targets import load_targets
from gatekeep.proxies.ssh.seams import certificate_end
from gatekeep.runtime.clock import SystemClock
from gatekeep.settings import Settings, is_loopback, load_settings

_MIB: Final = 1024 * 1024

#: The segment in use, the one ready ahead, the reserve, and as much again for the archive.
_SEGMENTS_NEEDED: Final = 6

_FILES_NEEDED: Final = 4096

#: Before this one, two processes on one write-ahead log could corrupt it.
_SQLITE_SAFE: Final = (3, 51, 3)

_CERTIFICATE_ENDS_SOON: Final = dt.timedelta(days=30)

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `wrong` stops a gateway, `warning` will hurt some day."""

    level: Literal["good", "warning", "wrong"]
    what: str
    fix: str = ""


def examine(settings: Settings, environment: Mapping[str, str]) -> list[Finding]:
    """Look at everything, in the order in which it matters."""
    return [
        *_private(settings.state_dir, "state_dir"),
        *_private(settings.keys_dir, "keys_dir"),
        *_key_files(settings.keys_dir),
        *_one_backup(settings),
        *_space(settings),
        *_limits(),
        *_doors(settings),
        *_sqlite(),
        *_targets(settings.targets, SecretReader(environment, warn=False)),
    ]


def doctor_command(
    *,
    settings: Annotated[
        Path | None,
        typer.Option("--settings", help="Settings file; else GATEKEEP_CONFIG or the usual place."),
    ] = None,
    output: Annotated[str, typer.Option("--output", "-o", help="table or json.")] = "table",
) -> int:
    """Look at directories, keys, disk and limits; exit 8 when something is wrong."""
    try:
        found = examine(load_settings(settings, os.environ), os.environ)
    except SettingsError as error:
        raise Stop.of(error) from error
    if output == "json":
        rows: list[dict[str, Any]] = [
            {"level": one.level, "what": one.what, "fix": one.fix} for one in found
        ]
        sys.stdout.write(orjson.dumps(rows).decode() + "\n")
    else:
        sys.stdout.write(told(found))
    return Exit.CHECK_FAILED if any(one.level == "wrong" for one in found) else Exit.DONE


def told(findings: list[Finding]) -> str:
    """The findings for people."""
    marks = {"good": "●", "warning": "◆", "wrong": "■"}
    lines: list[str] = []
    for one in findings:
        lines.append(f"{marks[one.level]} {one.level:<8} {visible(one.what)}")
        if one.fix:
            lines.append(f"  try: {visible(one.fix)}")
    return "\n".join(lines) + "\n"


def _private(directory: Path, key: str) -> Iterator[Finding]:
    """A directory that only the gateway's own account may enter."""
    try:
        found = directory.stat()
    except OSError:
        yield Finding("good", f"{key}: {directory} is not there yet; the first start makes it")
        return
    if not stat.S_ISDIR(found.st_mode):
        yield Finding("wrong", f"{key}: {directory} is no directory", f"change {key}")
        return
    if found.st_uid != os.geteuid():
        yield Finding(
            "warning",
            f"{key}: {directory} belongs to {_account(found.st_uid)}",
            "run the gateway and this command as that account",
        )
    if found.st_mode & _OTHERS:
        yield Finding(
            "wrong", f"{key}: {directory} can be entered by others", f"chmod 700 {directory}"
        )
    else:
        yield Finding("good", f"{key}: {directory} is private")


def _key_files(keys_dir: Path) -> Iterator[Finding]:
    """Keys that others may read are keys no more; the verifier key is public."""
    if not keys_dir.is_dir() or not os.access(keys_dir, os.R_OK | os.X_OK):
        return
    for file in sorted(keys_dir.iterdir()):
        if file.suffix not in (".vkey", ".pub") and file.is_file() and file.stat().st_mode & _OTHERS:
            yield Finding("wrong", f"key {file} can be read by others", f"chmod 600 {file}")


def _one_backup(settings: Settings) -> Iterator[Finding]:
    """Whoever restores a backup that holds data and keys can read everything."""
    state, keys = settings.state_dir.resolve(), settings.keys_dir.resolve()
    shared = Path(os.path.commonpath([state, keys]))
    if len(shared.parts) > 1:
        yield Finding(
            "warning",
            f"state and keys both lie below {shared}: one backup of it would hold both",
            "back them up apart, or set keys_dir to another place",
        )
    else:
        yield Finding("good", "state and keys lie apart")


def _space(settings: Settings) -> Iterator[Finding]:
    """Free space where the journal grows: without it nothing is forwarded."""
    place = settings.state_dir
    while not place.exists() and place != place.parent:
        place = place.parent
    free = shutil.disk_usage(place).free
    needed = _SEGMENTS_NEEDED * settings.journal.segment_mib * _MIB
    shown = f"{free // _MIB} MiB free for the journal at {place}"
    if free < needed:
        yield Finding("wrong", f"{shown}, {needed // _MIB} MiB are the least", "make room")
    elif free < 4 * needed:
        yield Finding("warning", f"{shown}: little", "make room, or watch it")
    else:
        yield Finding("good", shown)


def _limits() -> Iterator[Finding]:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < _FILES_NEEDED:
        yield Finding(
            "warning",
            f"at most {hard} open files, about {hard // 3} sessions",
            "raise the hard limit of open files (LimitNOFILE, ulimit -Hn)",
        )
    else:
        yield Finding("good", "enough open files are allowed")


def _doors(settings: Settings) -> Iterator[Finding]:
    """Doors that tell more, or to more, than one may want."""
    door, http = settings.postgres, settings.http
    if door.tls_mode != "require" and not is_loopback(door.host):
        yield Finding(
            "warning",
            f"postgres.tls is {door.tls_mode}: clients may send statements in clear",
            "set postgres.tls: require",
        )
    if http.metrics == "everywhere" and not is_loopback(http.host):
        yield Finding("warning", "metrics can be read from elsewhere", "set http.metrics: loopback")


def _targets(file: Path, secrets: SecretReader) -> Iterator[Finding]:
    """The ways to targets: what they leave open, and certificates that end."""
    try:
        targets = load_targets(file, secrets)
    except SettingsError as error:
        yield Finding("warning", f"targets: {error}", "gatekeep check says all that is wrong")
        return
    now = dt.datetime.fromtimestamp(SystemClock().wall_us() / 1e6, dt.UTC)
    for target in targets:
        ends = _ssh_certificates if target.ssh is not None else _certificates
        found = [*_way(target), *ends(target, secrets, now)]
        good = f"tls: {target.tls}" if target.ssh is None else "its host key is known"
        yield from found or [Finding("good", f"target {target.name}: {good}")]


def _way(target: Target) -> Iterator[Finding]:
    """What somebody between the gateway and a target could do."""
    if target.ssh is not None and target.ssh.first_use:
        yield Finding(
            "warning", f"target {target.name}: whoever answers first is believed",
            "have its owner confirm the lines of ssh-keyscan, and pin them: host_keys",
        )  # fmt: skip
    if target.kind is not TargetKind.POSTGRES or is_loopback(target.host):
        return
    name, mode = f"target {target.name}", target.tls
    if mode in (TargetTls.DISABLE, TargetTls.PREFER):
        what = "sends" if mode is TargetTls.DISABLE else "may send"
        yield Finding(
            "warning", f"{name}: tls: {mode} {what} statements and rows in clear",
            "set tls: verify-full",
        )  # fmt: skip
    elif mode is TargetTls.REQUIRE and not target.channel_binding:
        yield Finding(
            "warning", f"{name}: tls: {mode} encrypts to whoever answers",
            "set tls: verify-full, or channel_binding: require",
        )  # fmt: skip
    if target.auth == "md5":
        yield Finding(
            "warning", f"{name}: auth: md5 proves nothing of the target, and its hash is a password",
            "set password_encryption = 'scram-sha-256' there, the passwords anew, and auth: scram",
        )  # fmt: skip


def _certificates(target: Target, secrets: SecretReader, now: dt.datetime) -> Iterator[Finding]:
    """Certificates that have ended, or end soon."""
    texts = {"tls_ca": Path(target.tls_ca).read_text()} if target.tls_ca else {}
    for account in target.accounts.values():
        if account.certificate:
            texts[f"the certificate of {account.name}"] = secrets.read(account.certificate)
    for name, text in texts.items():
        yield from _ending(target, name, ends_at(text), now)


def _ssh_certificates(
    target: Target, secrets: SecretReader, now: dt.datetime
) -> Iterator[Finding]:
    """The same of OpenSSH's kind."""
    for account in target.accounts.values():
        if account.certificate:
            name = f"the certificate of {account.name}"
            yield from _ending(target, name, certificate_end(secrets.read(account.certificate)), now)


def _ending(
    target: Target, name: str, end: dt.datetime | None, now: dt.datetime
) -> Iterator[Finding]:
    """A certificate that ended, or soon will."""
    if end is not None and end - now < _CERTIFICATE_ENDS_SOON:
        level: Literal["warning", "wrong"] = "wrong" if end <= now else "warning"
        says = "ended" if end <= now else "ends"
        what = f"target {target.name}: {name} {says} on {end.date()}"
        yield Finding(level, what, "have a new one issued")


def _sqlite() -> Iterator[Finding]:
    version = apsw.sqlite_lib_version()
    if tuple(int(part) for part in version.split(".")) < _SQLITE_SAFE:
        yield Finding(
            "wrong", f"SQLite {version} can corrupt a shared log", "update apsw-sqlite3mc"
        )
    else:
        yield Finding("good", f"SQLite {version}")


def _account(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
