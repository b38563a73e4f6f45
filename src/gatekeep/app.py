"""Composition root: settings become a running gateway. The start order and the drain order.

With `assembly` the only file that knows every adapter. Decides nothing about actions.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import orjson
import structlog
import uvloop

from gatekeep import messages
from gatekeep.assembly import assemble, members_of
from gatekeep.configuration import Configuration, load_configuration
from gatekeep.domain.events import EventKind
from gatekeep.errors import JournalUnavailable, SettingsError
from gatekeep.gate.policy_ports import PolicyWish
from gatekeep.gate.ports import TokenRow
from gatekeep.gate.supervision import LiveSession
from gatekeep.identity.secrets import SecretReader
from gatekeep.logs import configure_logs
from gatekeep.messages import ssh as ssh_words
from gatekeep.notice_assembly import assemble_notices
from gatekeep.parts import Parts
from gatekeep.policy.rules import PolicyVersion
from gatekeep.policy_versions import Settled, own_wish
from gatekeep.process_limits import calm_collector, raise_file_limit
from gatekeep.proxies.postgres.certificates import PREFIX as CERTIFICATE
from gatekeep.runtime.clock import Clock
from gatekeep.runtime.tasks import TaskOwner
from gatekeep.settings import Settings, load_settings
from gatekeep.web_assembly import api_door, api_needs, mount_over_tcp

_log = structlog.get_logger(__name__)

EXIT_JOURNAL: Final = 74
READY_VERSION: Final = 1
_CUT_S: Final = 2.0
_SWEEP_S: Final = 0.5


class Gateway:
    """A gateway that serves. Make one with `start`, end it with `stop`.

    `ended` is set when it cannot go on (the journal is dead); `exit_code` then says why.
    """

    def __init__(self, settings: Settings, parts: Parts) -> None:
        self._settings = settings
        self._parts = parts
        self._notices = assemble_notices(settings, parts)
        self._draining = False
        self.ended = asyncio.Event()
        self.exit_code = 0

    @classmethod
    async def start(
        cls,
        settings: Settings,
        environment: Mapping[str, str] = os.environ,
        clock: Clock | None = None,
    ) -> Gateway:
        """Recover, then serve. Raises SettingsError, EvidenceBroken or JournalUnavailable.

        By `clock` it is told the time; unset: by the machine's.
        """
        reader = SecretReader(environment)
        configuration = load_configuration(settings, reader)
        parts = await assemble(settings, configuration, reader, clock)
        gateway = cls(settings, parts)
        parts.faults.listener = gateway.note_fault
        needs = api_needs(parts, settings, gateway.reload)
        parts.api = api_door(needs, settings)
        mount_over_tcp(parts, needs)
        try:
            await gateway._open(configuration)
        except BaseException:
            await gateway.stop()
            raise
        return gateway

    @property
    def postgres_port(self) -> int:
        """The port of the Postgres door."""
        return self._parts.door.port

    @property
    def ssh_port(self) -> int:
        """The port of the SSH door."""
        return self._parts.ssh.door.port

    @property
    def ssh_key_line(self) -> str:
        """The SSH door's public host key, as known_hosts has it behind a name."""
        return " ".join(self._parts.ssh.keys.host.export_public_key().decode().split()[:2])

    @property
    def http_port(self) -> int:
        """The port of web pages, health and metrics."""
        return self._parts.http.door.port

    @property
    def socket_path(self) -> Path:
        """The Unix socket of the API."""
        return self._parts.api.path

    def note_fault(self, error: BaseException) -> None:
        """Something failed inside: what the journal cannot hold ends sessions, or everything."""
        parts = self._parts
        if isinstance(error, JournalUnavailable):
            if error.fatal:
                self._die(error)
            elif not parts.journal.accepting:
                _log.error("the journal is full: sessions end", cause=error.cause)
                parts.supervision.end_all("events cannot be recorded")

    def _die(self, error: JournalUnavailable) -> None:
        """The journal is dead: nothing is forwarded any more, and the process ends."""
        if self.ended.is_set():
            return
        incident = secrets.token_hex(3).upper()
        _log.critical("the journal is dead", cause=error.cause, incident=incident)
        self.exit_code = EXIT_JOURNAL
        self.ended.set()
        words = replace(messages.cannot_record(incident), severity="FATAL")
        self._parts.sessions.stop_now(words)
        self._parts.ssh.sessions.stop_now(ssh_words.cannot_record(incident)[0])

    async def make_token(
        self, principal: str, *, ttl_s: int | None, note: str
    ) -> tuple[TokenRow, str]:
        """A token that works, its event durable. Raises NotPermitted, JournalUnavailable."""
        parts = self._parts
        row, secret = parts.tokens.make(principal, ttl_s=ttl_s, note=note)
        await parts.telling.tell()
        return parts.tokens.settle(row.id, EventKind.TOKEN_MADE), secret

    async def reload(self, wish: PolicyWish | None = None) -> Mapping[str, Any]:
        """Load targets, principals and policy anew; on any fault the old ones stay active.

        A policy that would loosen and needs two people is held back, and `held` says why; the
        rest is loaded. Raises SettingsError naming file, key and fix.
        """
        return await self._parts.versions.whole(self._reload(wish or own_wish("signal")))

    async def _reload(self, wish: PolicyWish) -> Mapping[str, Any]:
        parts = self._parts
        async with parts.versions.loading:
            layer = parts.versions.adopted_layer()
            configuration = load_configuration(self._settings, parts.secrets, layer)
            parts.directory.check(configuration.principals)
            parts.proofs.check(configuration.principals)
            parts.http.passwords.check(configuration.principals)
            parts.door.reload_tls()
            parts.ssh.authorities.reload()
            settled = await self._activate(configuration, parts.desk.active, wish)
        await parts.versions.note_dropped(configuration.dropped, settled)
        return {
            "policy": settled.version.digest,
            "targets": len(configuration.targets),
            "principals": len(configuration.principals),
            "held": list(settled.held),
        }

    async def _sweep(self) -> None:
        """End sessions whose token was revoked or expired, or that were let in on other terms."""
        tokens, supervision = self._parts.tokens, self._parts.supervision
        while True:
            await asyncio.sleep(_SWEEP_S)
            supervision.end_where(
                lambda live: (
                    bool(live.token)
                    and not live.token.startswith(CERTIFICATE)
                    and not tokens.works(live.token)
                ),
                "its token no longer works",
            )
            supervision.end_where(
                lambda live: (
                    live.token.startswith(CERTIFICATE)
                    and not self._parts.door.certificate_works(live.token)
                ),
                "its certificate no longer works",
            )
            supervision.end_where(self._otherwise_now, "its principal or target was changed")
            self._parts.ssh.sessions.end_lapsed()
            await self._parts.approvals.tick()

    def _otherwise_now(self, live: LiveSession) -> bool:
        """Whether a reload changed who this is, or what and where its target is.

        Other accounts of the target do not matter.
        """
        session = live.session
        target = self._parts.targets.target(session.target.name)
        return (
            target is None
            or self._parts.directory.principal(session.principal.name) != session.principal
            or target.accounts.get(session.account) != session.target.accounts.get(session.account)
            or replace(target, accounts={}) != replace(session.target, accounts={})
        )

    def _person_of(self, by: str) -> str:
        """Who answers for a load of the files: a start or a signal is the owner's doing."""
        directory = self._parts.directory
        principal = directory.principal(by) or directory.principal_of_uid(os.geteuid())
        return principal.person if principal is not None else by

    async def stop(self) -> None:
        """Drain: no new sessions, running segments end within the limit, then everything closes."""
        self._draining = True
        parts = self._parts
        parts.draining = True
        parts.door.stop_accepting()
        parts.ssh.door.stop_accepting()
        parts.api.drain()
        parts.sessions.drain()
        parts.ssh.sessions.drain()
        if self.exit_code == 0:
            await self._all_ended(self._settings.drain_s)
        parts.sessions.stop_now(messages.gateway_drains())
        parts.ssh.sessions.stop_now(ssh_words.gateway_drains())
        await self._all_ended(_CUT_S)
        await self._notices.close()
        await parts.close()

    async def _all_ended(self, limit_s: float) -> None:
        """Wait until no session runs at either door, at most `limit_s`."""
        parts = self._parts
        await asyncio.gather(parts.sessions.ended(limit_s), parts.ssh.sessions.ended(limit_s))

    async def _open(self, configuration: Configuration) -> None:
        parts = self._parts
        await parts.telling.tell()  # approvals tell their own below, before anything is served
        parts.people.recovered()
        configuration = await parts.loop.recover(configuration)
        running = parts.versions.last(configuration.policy)
        settled = await self._activate(configuration, running, own_wish("start"))
        await parts.versions.note_dropped(configuration.dropped, settled)
        await parts.approvals.recover()
        parts.journal.start_heartbeats(parts.owner, self._settings.journal.heartbeat_s)
        parts.owner.spawn(self._sweep(), name="tokens that no longer work")
        parts.archivist.start(parts.owner)
        parts.loop.start()
        await parts.api.start()
        await parts.http.door.start()
        parts.links.port = parts.http.door.port
        if parts.slack is not None:
            await parts.slack.slack.start()  # its links lead to that door
            parts.loop.digest = parts.slack.slack.digest
        await parts.door.start()
        await parts.ssh.door.start()
        _log.info(
            "serving", postgres=parts.door.port, ssh=parts.ssh.door.port, http=parts.http.door.port
        )

    async def _activate(
        self, configuration: Configuration, running: PolicyVersion | None, wish: PolicyWish
    ) -> Settled:
        """Store, journal, effect: a configuration rules only once its loading is durable."""
        parts = self._parts
        by = self._person_of(wish.by)  # as it was before: nobody renames himself on the way
        settled = await parts.versions.settle(configuration.policy, running, wish)
        payload = orjson.dumps(
            {
                "by": wish.by,
                "os_user": wish.os_user,
                "policy": settled.version.digest,
                "policy_held": configuration.policy.digest if settled.held else "",
                "principals": [entry.principal.name for entry in configuration.principals],
                "single_person": parts.versions.single_person,
                "targets": [target.name for target in configuration.targets],
            }
        )
        journal = parts.journal
        await journal.append(journal.system, EventKind.SETTINGS_LOADED, payload).durable()
        # What was said to be loaded rules from here on, all of it.
        parts.directory.reload(configuration.principals)
        parts.proofs.reload(configuration.principals)
        parts.http.passwords.reload(configuration.principals)
        parts.targets.reload(configuration.targets)
        parts.desk.activate(settled.version, members_of(configuration.principals))
        parts.people.schedule = configuration.schedule
        self._notices.reload(configuration)
        parts.people.memberships.observe(parts.directory.principals(), by)
        await parts.telling.tell()
        return settled


def serve(settings_file: Path | None = None, ready_file: Path | None = None) -> int:
    """Run the gateway until SIGTERM or SIGINT; SIGHUP reloads. Returns the exit code.

    `ready_file` receives one JSON document once everything answers. Raises SettingsError (78),
    EvidenceBroken, JournalUnavailable (74).
    """
    settings = load_settings(settings_file, os.environ)
    configure_logs(settings.log.level, settings.log.format)
    raise_file_limit()
    calm_collector()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(settings, ready_file))


async def _serve(settings: Settings, ready_file: Path | None) -> int:
    stop = asyncio.Event()
    reload = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)
    loop.add_signal_handler(signal.SIGHUP, reload.set)
    gateway = await Gateway.start(settings)
    try:
        if ready_file is not None:
            write_ready(ready_file, ready_document(gateway))
        await _until_stopped(gateway, stop, reload)
    finally:
        await gateway.stop()
        remove_ready(ready_file)
    return gateway.exit_code


async def _until_stopped(gateway: Gateway, stop: asyncio.Event, reload: asyncio.Event) -> None:
    owner = TaskOwner("signals")
    try:
        over = [
            owner.spawn(stop.wait(), name="stop"),
            owner.spawn(gateway.ended.wait(), name="end"),
        ]
        while not any(one.done() for one in over):
            asked = owner.spawn(reload.wait(), name="reload")
            await asyncio.wait([*over, asked], return_when=asyncio.FIRST_COMPLETED)
            if asked.done():
                reload.clear()
                await _reload(gateway)
            else:
                asked.cancel()
    finally:
        await owner.close()


async def _reload(gateway: Gateway) -> None:
    try:
        await gateway.reload()
        _log.info("reloaded")
    except (SettingsError, JournalUnavailable) as error:
        _log.error("not reloaded, the old configuration stays", error=error.public)


def ready_document(gateway: Gateway) -> dict[str, Any]:
    """What scripts need to reach the gateway; the demo adds targets and principals."""
    return {
        "version": READY_VERSION,
        "doors": {
            "postgres": {"host": "127.0.0.1", "port": gateway.postgres_port},
            "ssh": {
                "host": "127.0.0.1",
                "port": gateway.ssh_port,
                "host_key": gateway.ssh_key_line,
            },
            "health": {"host": "127.0.0.1", "port": gateway.http_port},
            "console": {"url": f"http://localhost:{gateway.http_port}"},
        },
        "socket": str(gateway.socket_path),
        "pid": os.getpid(),
    }


def write_ready(path: Path, document: Mapping[str, Any]) -> None:
    """Make the file appear whole or not at all, readable by us alone (it may hold tokens)."""
    half = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump(document, file)
    half.replace(path)


def remove_ready(path: Path | None) -> None:
    """Take the ready file away: nothing answers any more."""
    if path is not None:
        path.unlink(missing_ok=True)
