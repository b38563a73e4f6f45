"""Makes every part of a gateway from settings and configuration.

The composition root's workshop: `app` says in which order they begin to serve.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from functools import partial
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Final

import orjson

from gatekeep.approval_assembly import ApprovalNeeds, assemble_approvals
from gatekeep.archivist_link import ArchivistLink
from gatekeep.catalogue.desk import Catalogues
from gatekeep.catalogue.sight import TargetSights
from gatekeep.configuration import Configuration
from gatekeep.domain.events import EventKind
from gatekeep.errors import JournalUnavailable
from gatekeep.gate.admission import Admission
from gatekeep.gate.clearance import Clearance
from gatekeep.gate.policy_desk import PolicyDeskOver
from gatekeep.gate.supervision import Supervision
from gatekeep.http_assembly import HttpShared, Links, assemble_http
from gatekeep.identity.delegations import Delegations
from gatekeep.identity.directory import EmbeddedDirectory
from gatekeep.identity.lockouts import LockOutBook
from gatekeep.identity.memberships import Memberships
from gatekeep.identity.outbox import Telling
from gatekeep.identity.people import PeopleBook
from gatekeep.identity.principals import PrincipalEntry
from gatekeep.identity.secrets import SecretReader
from gatekeep.identity.ssh_proofs import SshProofBook
from gatekeep.identity.steadiness import SteadyTime
from gatekeep.identity.targets import FileTargetBook
from gatekeep.identity.tokens import TokenDesk
from gatekeep.journal.archive import signed_checkpoint
from gatekeep.journal.keys import KeyRing
from gatekeep.journal.live import LiveJournal, Sealing
from gatekeep.journal.logkey import ensure_log_key
from gatekeep.journal.opening import Opening, open_journal
from gatekeep.journal.segments import Sizes
from gatekeep.loop_assembly import LoopNeeds, assemble_loop, persons_in
from gatekeep.loop_thinker import Place
from gatekeep.loop_thinker_link import ThinkerLink
from gatekeep.parts import Faults, Parts
from gatekeep.policy_versions import PolicyVersions
from gatekeep.proxies.folding import Folded, FoldedEvents
from gatekeep.proxies.postgres.front import DoorPorts
from gatekeep.proxies.postgres.keys import CancelKeys
from gatekeep.proxies.postgres.listener import DoorValues, PostgresDoor
from gatekeep.proxies.postgres.lookup import LookUps
from gatekeep.proxies.postgres.opening import Opens, PostgresSessions
from gatekeep.proxies.postgres.parsing import PROCESSES, Parser
from gatekeep.proxies.postgres.reading import StatementReader
from gatekeep.proxies.postgres.session import Rooms
from gatekeep.proxies.postgres.target import TargetConnector
from gatekeep.proxies.ssh.understanding import CommandReader
from gatekeep.runtime.clock import Clock, SystemClock, random_bytes
from gatekeep.runtime.offload import Offload
from gatekeep.runtime.tasks import TaskOwner
from gatekeep.runtime.work_process import WorkProcess
from gatekeep.settings import Settings
from gatekeep.slack_assembly import MOUNTED_AT, SlackShared, assemble_slack
from gatekeep.ssh_assembly import Shared, assemble_ssh
from gatekeep.stores.sqlite.people import PeopleBooks
from gatekeep.stores.sqlite.reading import EventBooks
from gatekeep.stores.sqlite.state import StateStore
from gatekeep.stores.sqlite.suggestions import SuggestionBooks
from gatekeep.text_reading import TextReader
from gatekeep.web.health import Health

JOURNAL_DIR: Final = "journal"
STATE_DB: Final = "state.db"
INDEX_DB: Final = "index.db"
_MIB: Final = 1 << 20


async def assemble(
    settings: Settings,
    configuration: Configuration,
    secrets: SecretReader,
    clock: Clock | None = None,
) -> Parts:
    """Every part, made but not serving. Raises SettingsError, EvidenceBroken, JournalUnavailable.

    By `clock` rights begin and end, events are stamped and the loop runs; unset: the machine's.
    """
    _make_state_dir(settings.state_dir)
    clock = clock or SystemClock()
    faults = Faults()
    ring = KeyRing.open(settings.keys_dir, data_dir=settings.state_dir, create=True)
    open_state = partial(
        StateStore.open, settings.state_dir / STATE_DB, ring.state_db_key(), clock
    )
    state = open_state()
    sealing = Sealing(settings.journal.origin, ring, state, clock)
    journal = await _journal(settings, sealing, faults, state)
    tokens = TokenDesk(state, clock)
    directory = EmbeddedDirectory(
        configuration.principals,
        tokens,
        secrets,
        owner_uid=settings.state_dir.stat().st_uid,
    )
    targets = FileTargetBook(configuration.targets, secrets)
    desk = PolicyDeskOver(configuration.policy, members_of(configuration.principals), clock)
    offload = Offload(threads=2)
    versions = PolicyVersions(settings, state, journal, offload, desk)
    parsers = tuple(WorkProcess() for _ in range(PROCESSES))
    connector = TargetConnector(random_bytes, offload)
    look_ups = LookUps(connector, targets.secret)
    catalogues = Catalogues(look_ups.connect, clock)
    supervision = Supervision()
    lock_outs, steady, telling = LockOutBook(clock), SteadyTime(clock), Telling(state, journal)
    statements = StatementReader(catalogues, Parser(offload, parsers))
    people = _people(state, directory, telling, steady)
    approvals = assemble_approvals(
        settings,
        ApprovalNeeds(
            open_state(), journal, desk, directory, people, targets, supervision,
            TextReader(catalogues, statements, CommandReader(offload)), steady.onward_us, random_bytes,
            steady.set_back_us,
        ),
    )  # fmt: skip
    gate = Clearance(
        journal, desk, on_unrecordable=lambda _incident, error: faults.tell(error),
        holding=approvals.holding,
    )  # fmt: skip
    keys = CancelKeys(clock, random_bytes, on_hit=lambda source: _cancelled(journal, source))
    admission = Admission(targets, desk, approvals.grants)
    sessions = PostgresSessions(
        Opens(
            admission, desk, targets, catalogues, connector, keys, supervision,
            random_bytes,
        ),
        Rooms(
            gate, journal, statements, clock, faults.tell,
            link_to=(links := Links(settings.http)).to, sights=TargetSights(look_ups.connect, catalogues, clock),
        ),
    )  # fmt: skip
    folds = FoldedEvents(clock, lambda fold: _folded(journal, fold))
    proofs = SshProofBook(configuration.principals, secrets, clock)
    ssh = assemble_ssh(
        settings,
        Shared(
            admission, desk, targets, directory, proofs, lock_outs, folds, supervision, gate,
            journal, offload, clock, random_bytes, steady.now_us, faults.tell,
            tokens.works, proofs.knows, links.to, approvals.grants,
        ),
    )  # fmt: skip
    door = PostgresDoor(
        _door_values(settings),
        DoorPorts(directory, lock_outs, keys, folds, random_bytes, steady.now_us),
        sessions.serve,
    )
    # Events are read back on a thread of their own, so with a connection of its own.
    wrapped_keys = open_state()
    archive = EventBooks(
        settings.state_dir / JOURNAL_DIR, settings.state_dir / INDEX_DB, ring, wrapped_keys
    )
    slack = assemble_slack(
        settings, secrets,
        SlackShared(
            approvals.front, directory, targets, telling.tell,
            open_state, ring.button_key(), links.base, clock, steady.now_us, random_bytes,
        ),
    )  # fmt: skip
    parts = Parts(
        owner=TaskOwner("gateway"),
        clock=clock,
        secrets=secrets,
        state=state,
        tokens=tokens,
        directory=directory,
        targets=targets,
        desk=desk,
        versions=versions,
        journal=journal,
        archivist=ArchivistLink(_archivist_arguments(settings)),
        archive=archive,
        wrapped_keys=wrapped_keys,
        supervision=supervision,
        gate=gate,
        approvals=approvals,
        loop=assemble_loop(
            settings,
            LoopNeeds(
                SuggestionBooks(open_state()), journal, versions, desk, approvals,
                _thinker(settings, directory, clock), steady.onward_us, steady.least_us,
            ),
        ),
        sessions=sessions,
        folds=folds,
        door=door,
        ssh=ssh,
        proofs=proofs,
        lock_outs=lock_outs,
        people=people,
        telling=telling,
        links=links,
        slack=slack,
        look_ups=look_ups,
        offload=offload,
        parsers=parsers,
        faults=faults,
    )
    health = Health(parts.readiness, parts.numbers, settings.http.metrics)
    parts.http = assemble_http(
        settings, configuration.principals, secrets,
        HttpShared(
            health, approvals.front, directory, desk, archive, journal, proofs, lock_outs, folds,
            clock, steady.now_us, random_bytes, slack.links if slack is not None else None,
            parts.loop.desk,
        ),
    )  # fmt: skip
    if slack is not None and (called := slack.http_app()) is not None:
        parts.http.app.add_subapp(MOUNTED_AT, called)
    return parts


def _people(
    state: StateStore, directory: EmbeddedDirectory, telling: Telling, steady: SteadyTime
) -> PeopleBook:
    books, now_us = PeopleBooks(state), steady.now_us
    delegations = Delegations(books, directory, steady.onward_us, random_bytes, telling.tell)
    return PeopleBook(delegations, Memberships(books, now_us, steady.least_us), now_us)


def _thinker(settings: Settings, directory: EmbeddedDirectory, clock: Clock) -> ThinkerLink:
    state, keys = settings.state_dir.absolute(), settings.keys_dir.absolute()
    vkey = ensure_log_key(keys, settings.journal.origin)
    place = Place(state / JOURNAL_DIR, state / STATE_DB, keys, vkey)
    return ThinkerLink(place, lambda: persons_in(directory), clock.wall_us)


def _make_state_dir(place: Path) -> None:
    try:
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        place.chmod(0o700)
    except OSError as error:
        raise JournalUnavailable(
            f"the state directory {place} cannot be written: {error.strerror}", fatal=True
        ) from error


def members_of(entries: Iterable[PrincipalEntry]) -> dict[str, frozenset[str]]:
    """Each group with the natural persons in it."""
    members: dict[str, set[str]] = {}
    for entry in entries:
        for group in entry.principal.groups:
            members.setdefault(group, set()).add(entry.principal.person)
    return {group: frozenset(people) for group, people in members.items()}


async def _journal(
    settings: Settings, sealing: Sealing, faults: Faults, state: StateStore
) -> LiveJournal:
    """The journal, open; where it cannot be, `state` is closed."""
    directory = settings.state_dir / JOURNAL_DIR
    try:
        directory.mkdir(exist_ok=True, mode=0o700)
        signed = signed_checkpoint(directory)
        archived = signed.size if signed is not None else 0
        opening = Opening(
            spool=directory / "spool",
            vkey=ensure_log_key(settings.keys_dir, settings.journal.origin),
            version=installed_version("gatekeep"),
            floors={"checkpoint": archived},
            scan_from=archived,
            sizes=Sizes(segment=settings.journal.segment_mib * _MIB),
            deadline_s=settings.journal.deadline_s,
        )
        journal, _recovered = await open_journal(opening, sealing, on_dead=faults.tell)
    except BaseException:
        state.close()
        raise
    return journal


def _door_values(settings: Settings) -> DoorValues:
    door = settings.postgres
    return DoorValues(
        host=door.host,
        port=door.port,
        tls=door.tls_mode,
        certificate=door.certificate,
        key=door.key,
        client_ca=door.client_ca,
        client_crl=door.client_crl,
        proxy_from=door.proxy_from,
        handshake_s=door.handshake_s,
        per_address=door.unauthenticated_per_address,
        total=door.unauthenticated_total,
    )


def _archivist_arguments(settings: Settings) -> list[str]:
    return [
        "--state", str(settings.state_dir),
        "--keys", str(settings.keys_dir),
        "--checkpoint-s", str(settings.journal.checkpoint_s),
        "--keep-days", str(settings.journal.keep_segments_days),
    ]  # fmt: skip


def _cancelled(journal: LiveJournal, source: str) -> None:
    with contextlib.suppress(JournalUnavailable):
        journal.append(journal.system, EventKind.CANCEL_RECEIVED, orjson.dumps({"source": source}))


def _folded(journal: LiveJournal, fold: Folded) -> None:
    payload = {
        "cause": fold.cause,
        "count": fold.count,
        "prefix": fold.prefix,
        "principal": fold.principal,
        "source": fold.source,
    }
    with contextlib.suppress(JournalUnavailable):
        journal.append(journal.system, fold.kind, orjson.dumps(payload))
