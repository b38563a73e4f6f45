"""The SSH half of the composition root: from settings and shared parts to a door that can be opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gatekeep.gate.admission import Admission, Leave
from gatekeep.gate.clearance import Clearance
from gatekeep.gate.ports import Directory, Journal, LockOuts, PolicyDesk, SshProofs, TargetBook
from gatekeep.gate.supervision import Supervision
from gatekeep.identity.hostkeys import FILE_NAME, HostkeyFile
from gatekeep.identity.ssh_keys import AliasCertificates, GatewaySshKeys, ensure_ssh_keys
from gatekeep.identity.ssh_public_keys import CertificateAuthorities
from gatekeep.messages import ssh as words
from gatekeep.proxies.folding import FoldedEvents
from gatekeep.proxies.ssh.agents import AgentTerms
from gatekeep.proxies.ssh.arrivals import Arrival
from gatekeep.proxies.ssh.channel_door import Doors
from gatekeep.proxies.ssh.entrance import Entrance
from gatekeep.proxies.ssh.front import FrontPorts, sign_in_options
from gatekeep.proxies.ssh.guarded_hostkeys import GuardedHostkeys
from gatekeep.proxies.ssh.leads import Leads
from gatekeep.proxies.ssh.listener import SshDoor, SshDoorValues
from gatekeep.proxies.ssh.nested import Jumps
from gatekeep.proxies.ssh.opening import SessionLimits, SshSessions
from gatekeep.proxies.ssh.reaching import Reaching
from gatekeep.proxies.ssh.session import Rooms
from gatekeep.proxies.ssh.token_checks import TokenChecks
from gatekeep.proxies.ssh.understanding import CommandReader
from gatekeep.recordings.live import LiveRecordings
from gatekeep.runtime.clock import Clock
from gatekeep.runtime.offload import Offload
from gatekeep.settings import Settings
from gatekeep.web.access import SshDoorFacts


@dataclass(frozen=True, slots=True)
class Shared:
    """What both halves have in common."""

    admission: Admission
    desk: PolicyDesk
    targets: TargetBook
    directory: Directory
    proofs: SshProofs
    lock_outs: LockOuts
    folds: FoldedEvents
    supervision: Supervision
    gate: Clearance
    journal: Journal
    offload: Offload
    clock: Clock
    draw: Callable[[int], bytes]
    now_us: Callable[[], int]
    tell_fault: Callable[[BaseException], None]
    token_works: Callable[[str], bool]
    knows_key: Callable[[str, str], bool]
    link_to: Callable[[str], str]
    leave: Leave


@dataclass(frozen=True, slots=True)
class SshHalf:
    """The door, its sessions, and what others look into."""

    door: SshDoor
    sessions: SshSessions
    recordings: LiveRecordings
    keys: GatewaySshKeys
    authorities: CertificateAuthorities

    def facts(self, settings: Settings) -> SshDoorFacts:
        """What clients must know of the door."""
        port = self.door.port if self.door.listening else settings.ssh.port
        return SshDoorFacts(
            f"{settings.ssh.host}:{port}", self.keys.fingerprint, self.keys.authority_line
        )


def assemble_ssh(settings: Settings, shared: Shared) -> SshHalf:
    """Every part, made but not serving. Raises SettingsError."""
    keys = ensure_ssh_keys(settings.keys_dir)
    certificates = AliasCertificates(keys, shared.clock)
    authorities = CertificateAuthorities(settings.ssh.user_ca)
    pins = HostkeyFile(settings.state_dir / FILE_NAME)
    rooms = Rooms(
        gate=shared.gate,
        journal=shared.journal,
        policy=shared.desk,
        targets=shared.targets,
        connector=Reaching(shared.targets, pins),
        clock=shared.clock,
        draw=shared.draw,
        reader=CommandReader(shared.offload),
        on_gateway_fault=shared.tell_fault,
        lapse=lambda arrival: _lapse(shared, authorities, arrival),
        link_to=shared.link_to,
        leave=shared.leave,
    )
    sessions = SshSessions(
        shared.admission,
        shared.supervision,
        rooms,
        SessionLimits(settings.ssh.idle_s or 0.0, settings.ssh.session_s or 0.0),
    )
    leads = Leads(shared.targets, shared.clock)
    recordings = LiveRecordings()
    common = sign_in_options()

    def inner(alias: str) -> dict[str, Any]:
        return {**common, "server_host_keys": [certificates.shown_for(alias)]}

    jumps = Jumps(sessions.owner, leads.registered, inner)
    own_keys = frozenset({keys.host.public_data, keys.authority.public_data})
    guarded = GuardedHostkeys(own_keys, shared.targets, pins)
    agents = AgentTerms(lambda arrival: _second_factor(shared, arrival), guarded.objection)
    doors = Doors(sessions, recordings, jumps.jump, leads, agents)
    jumps.doors = doors
    front = FrontPorts(
        directory=shared.directory,
        proofs=shared.proofs,
        lock_outs=shared.lock_outs,
        folds=shared.folds,
        tokens=TokenChecks(shared.offload),
        now_us=shared.now_us,
        authorities=lambda: authorities.lines,
        banner=words.banner(settings.ssh.help_url or ""),
    )
    values = SshDoorValues(
        host=settings.ssh.host,
        port=settings.ssh.port,
        handshake_s=settings.ssh.handshake_s,
        per_address=settings.ssh.unauthenticated_per_address,
        total=settings.ssh.unauthenticated_total,
    )
    door = SshDoor(
        values,
        {**common, "server_host_keys": [keys.host]},
        lambda source, entered: Entrance(front, doors, source, entered),
    )
    return SshHalf(door, sessions, recordings, keys, authorities)


def _lapse(shared: Shared, authorities: CertificateAuthorities, arrival: Arrival) -> str:
    """Why a sign-in no longer holds; empty while it does. Asked for whatever begins, and in between."""
    name, method = arrival.principal.name, arrival.method
    if shared.directory.principal(name) != arrival.principal:
        return "its principal or target was changed"
    if arrival.ends_us and shared.now_us() >= arrival.ends_us:
        return "its certificate has ended"
    if method.startswith("certificate") and not authorities.knows(arrival.authority):
        return "its certificate no longer works"
    if method.startswith("key") and not shared.knows_key(name, arrival.token_id):
        return "its key no longer works"
    if method.startswith("token") and not shared.token_works(arrival.token_id):
        return "its token no longer works"
    return ""


def _second_factor(shared: Shared, arrival: Arrival) -> bool:
    """Whether somebody gave a code at sign-in, and nobody comes in by that name without one.

    Whoever holds a forwarded agent has the first factor of its owner, and must not get further.
    """
    return arrival.method.endswith("+code") and shared.proofs.needs_code(arrival.principal.name)
