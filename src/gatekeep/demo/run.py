"""Runs the demo: target, gateway, tokens, the lines to paste; on Ctrl-C nothing is left running.

The gateway runs in this process, by the same composition root as `gatekeep serve`.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import logging
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any, Final

import structlog

from gatekeep.app import Gateway, ready_document, remove_ready, write_ready
from gatekeep.demo import configure, loop_office, loop_tour, seed, ssh_target, ssh_tour, tour
from gatekeep.demo.certificate import ensure_certificate
from gatekeep.demo.configure import DemoFiles, SshMachine
from gatekeep.demo.embedded import EmbeddedPostgres, free_port
from gatekeep.demo.one_time import current_code
from gatekeep.demo.ssh_process import SshTargetProcess
from gatekeep.demo.tour_steps import Sight, TourFailed
from gatekeep.errors import SettingsError
from gatekeep.settings import load_settings

DOOR_PORT: Final = 6432
TARGET_PORT: Final = 6543
HTTP_PORT: Final = 8080
SSH_PORT: Final = 2222
SSH_TARGET_PORT: Final = 2223
DOOR_KEY: Final = "ssh_host_ed25519_key.pub"
_PORT_TRIES: Final = 4
_PORT_KEYS: Final = frozenset({"postgres.port", "http.port", "ssh.port"})

_TRY: Final = "select * from orders limit 3;    drop table customers;    delete from order_items;"


def run(state: Path, ready_file: Path | None = None, *, tour: bool = False) -> int:
    """Run the demo in `state` until Ctrl-C, or take the tour and end; returns the exit code.

    `ready_file` receives one JSON document once everything answers.
    """
    files = DemoFiles(state.absolute())
    files.state.mkdir(parents=True, exist_ok=True)
    files.state.chmod(0o700)
    return asyncio.run(_run(files, ready_file, with_tour=tour))


def code(state: Path, name: str) -> str:
    """The one-time code of a principal of the demo, now. Raises SettingsError."""
    return current_code(DemoFiles(state.absolute()).code_secret(name))


async def _run(files: DemoFiles, ready_file: Path | None, *, with_tour: bool) -> int:
    began = time.monotonic()
    directory = target_directory(files)
    if not files.password("postgres").exists():
        # Somebody removed our state, and its passwords with it: nobody can sign in there any more.
        shutil.rmtree(directory, ignore_errors=True)
    passwords = configure.account_passwords(files)
    target = EmbeddedPostgres(directory, passwords["postgres"])
    machine = _ssh_machine(files)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, stop.set)
    gateway: Gateway | None = None
    try:
        await asyncio.to_thread(target.start, TARGET_PORT)
        await seed.seed(target.port, passwords["postgres"], passwords)
        if machine is not None:
            await asyncio.to_thread(machine.start, SSH_TARGET_PORT)
        gateway = await _gateway(files, target.port, machine)
        tokens = await _tokens(files, gateway)
        document = _ready_document(files, gateway, tokens)
        if ready_file is not None:
            write_ready(ready_file, document)
        _say(_banner(files, gateway, time.monotonic() - began) + _ssh_lines(files, document))
        if with_tour:
            return await _take_tour(files, gateway, target, tokens, machine)
        await stop.wait()
        _say("stopping")
        return 0
    finally:
        if gateway is not None:
            await gateway.stop()
        if machine is not None:
            await asyncio.to_thread(machine.stop)
        await asyncio.to_thread(target.stop)
        remove_ready(ready_file)


def _ssh_machine(files: DemoFiles) -> SshTargetProcess | None:
    """The SSH target, not started yet; None where this gateway has no door for it."""
    if not configure.offers_ssh():
        return None
    return SshTargetProcess(files.state / configure.SSH_TARGET, configure.gateway_key(files))


async def _gateway(
    files: DemoFiles, target_port: int, machine: SshTargetProcess | None
) -> Gateway:
    """A gateway on the usual ports, or on free ones where somebody else has or just took them."""
    certificate = ensure_certificate(files.config / "tls", dt.datetime.now(dt.UTC))  # noqa: TID251 - a certificate's dates, outside any decision
    door, http, ssh = DOOR_PORT, HTTP_PORT, SSH_PORT
    there = SshMachine(machine.port, machine.public_key) if machine is not None else None
    for tries_left in reversed(range(_PORT_TRIES)):
        ports = configure.Ports(target_port, free_port(door), free_port(http), free_port(ssh))
        configure.write_configuration(files, ports, certificate, there)
        try:
            return await Gateway.start(load_settings(files.settings, os.environ))
        except SettingsError as error:
            if error.key not in _PORT_KEYS or not tries_left:
                raise
            door = http = ssh = 0
    raise AssertionError("unreachable: the last try returns or raises")


async def _take_tour(
    files: DemoFiles,
    gateway: Gateway,
    target: EmbeddedPostgres,
    tokens: dict[str, str],
    machine: SshTargetProcess | None,
) -> int:
    sight = Sight(
        host="127.0.0.1",
        port=gateway.postgres_port,
        target=configure.TARGET,
        token_of_alice=tokens["alice"],
        token_file_of_bob=files.tokens / "bob",
        code_secret_of_bob=files.code_secret("bob"),
        settings=files.settings,
        journal=files.state / "journal",
        keys=files.keys,
        psql=target.psql,
    )
    try:
        await asyncio.to_thread(tour.take_tour, sight)
        door = ready_document(gateway)["doors"].get("ssh")
        if machine is not None and door is not None and ssh_tour.clients_are_here():
            over_ssh = ssh_sight(files, door, machine, target.port)
            await asyncio.to_thread(ssh_tour.take_ssh_tour, over_ssh, _say)
        await _loop_tour(files, target)
    except (TourFailed, ssh_tour.SshTourFailed) as failure:
        sys.stderr.write(f"gatekeep: {failure.public}\n  why: {failure.cause}\n")
        return 1
    return 0


async def _loop_tour(files: DemoFiles, target: EmbeddedPostgres) -> None:
    """The feedback loop, in an office of its own that is gone afterwards. Raises TourFailed.

    Diagnostics are left out: where days pass in a moment, nothing is signed as soon as it should be.
    """
    loop_office.clear_office(files)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        office = await loop_office.open_office(files, target.port)
        try:
            await loop_tour.take_loop_tour(office, target.psql)
        finally:
            await office.gateway.stop()
    finally:
        structlog.reset_defaults()
        loop_office.clear_office(files)


async def _tokens(files: DemoFiles, gateway: Gateway) -> dict[str, str]:
    """One token a person, kept in a file; made anew when the file's no longer works."""
    found: dict[str, str] = {}
    files.tokens.mkdir(exist_ok=True, mode=0o700)
    for name in configure.PEOPLE:
        path = files.tokens / name
        if not path.exists():
            _row, secret = await gateway.make_token(name, ttl_s=None, note="demo")
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(secret)
        found[name] = path.read_text()
    return found


def target_directory(files: DemoFiles) -> Path:
    """Where the target's data lives: beside our state, unless its own user could not get there.

    PostgreSQL runs as `nobody` for root, and a checkout under a closed home is out of its reach.
    """
    beside = files.state / "target"
    if os.geteuid() != 0:
        return beside
    digest = hashlib.sha256(str(files.state).encode()).hexdigest()[:12]
    return Path("/var/tmp") / f"gatekeep-demo-{digest}"  # noqa: S108 - named after the state; closed to others


def ssh_sight(
    files: DemoFiles, door: dict[str, Any], machine: SshTargetProcess, database_port: int
) -> ssh_tour.SshSight:
    """What the tour's part over SSH looks at: alice, whom rules let in, and carol, whom none does.

    The door's key is the one that its document tells, or that lies in the key directory. Raises
    SshTourFailed where there is none: nobody could check whom they reach.
    """
    kept = files.keys / DOOR_KEY
    public = door.get("host_key") or (kept.read_text() if kept.exists() else "")
    if not public:
        raise ssh_tour.SshTourFailed("the SSH door does not tell its host key")
    return ssh_tour.SshSight(
        host=door["host"],
        port=door["port"],
        public_key=public,
        login=f"alice+{configure.SSH_TARGET}",
        key=files.ssh_key("alice"),
        stranger=f"carol+{configure.SSH_TARGET}",
        stranger_key=files.ssh_key("carol"),
        database_port=database_port,
        home=machine.home,
    )


def _ready_document(files: DemoFiles, gateway: Gateway, tokens: dict[str, str]) -> dict[str, Any]:
    """What scripts need; the SSH target and keys for it only where the gateway has that door."""
    document = ready_document(gateway)
    targets: list[dict[str, Any]] = [
        {"name": configure.TARGET, "kind": "postgres", "accounts": list(configure.ACCOUNTS)}
    ]
    people: dict[str, dict[str, Any]] = {
        name: {"groups": [configure.PEOPLE[name]], "token": token} for name, token in tokens.items()
    }
    for name, who in people.items():
        if files.web_password(name).exists():
            who["password"] = files.web_password(name).read_text()
        if name in configure.WITH_CODES:
            who["code_secret"] = str(files.code_secret(name))
    if "ssh" in document["doors"]:
        accounts = [ssh_target.ACCOUNT]
        targets.append({"name": configure.SSH_TARGET, "kind": "ssh", "accounts": accounts})
        for name, who in people.items():
            who["ssh_key"] = str(files.ssh_key(name))
    return {**document, "targets": targets, "principals": people}


def _ssh_lines(files: DemoFiles, document: dict[str, Any]) -> str:
    """What to paste for SSH, where there is a door for it."""
    door = document["doors"].get("ssh")
    if door is None:
        return ""
    who = f"alice+{configure.SSH_TARGET}@localhost"
    return f"  ssh:      ssh -p {door['port']} -i {files.ssh_key('alice')} {who}\n"


def _banner(files: DemoFiles, gateway: Gateway, seconds: float) -> str:
    port = gateway.postgres_port
    psql = f'psql "host=localhost port={port} user=alice dbname={configure.TARGET}"'
    token = files.tokens / "alice"
    config = f"GATEKEEP_CONFIG={files.settings}"
    return (
        f"demo ready in {seconds:.0f} s   (Ctrl-C stops it; data in {files.state})\n"
        f"  psql:     {psql}     password: (token in {token})\n"
        f"  or:       PGPASSWORD=$(cat {token}) {psql}\n"
        f"{_console_line(files, gateway)}"
        f"  watch:    {config} gatekeep audit tail\n"
        f"  try:      {_TRY}\n"
        f"  decide:   {config} gatekeep approvals approve ID --token-file {files.tokens / 'bob'}\n"
        f"  code:     gatekeep demo --state {files.state} --code bob     (bob's, for high risk and the console)\n"
        f"  verify:   gatekeep audit verify {files.state / 'journal'} --keys {files.keys}\n"
    )


def _console_line(files: DemoFiles, gateway: Gateway) -> str:
    """Where the pages are; nothing where an older version made the principals, without passwords."""
    password = files.web_password("bob")
    if not password.exists():
        return ""
    url = f"http://localhost:{gateway.http_port}"
    return f"  console:  {url}     sign in as bob, the dba (password in {password})\n"


def _say(text: str) -> None:
    sys.stdout.write(text.rstrip("\n") + "\n")
    sys.stdout.flush()


