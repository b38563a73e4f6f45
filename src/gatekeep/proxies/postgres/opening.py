"""From an arrival at the door to a running session, and to its last event.

Admission, record, settings, target, session vector, welcome: in this order, and nothing is dialled
before the session's opening is durable. What happens inside a session lives in `session`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import orjson
import structlog

from gatekeep import messages
from gatekeep.domain.actions import SqlAction, SqlClass, SqlFacts
from gatekeep.domain.events import EventKind
from gatekeep.domain.outcomes import Outcome, OutcomeKind
from gatekeep.domain.sessions import Session, SessionVector
from gatekeep.errors import (
    GatekeepError,
    JournalUnavailable,
    SettingsError,
    TargetFault,
)
from gatekeep.gate.admission import Admission, Admitted, Asked
from gatekeep.gate.evidence import session_fragment
from gatekeep.gate.permit import Refusal
from gatekeep.gate.ports import CatalogueDesk, EventStream, PolicyDesk, TargetBook
from gatekeep.gate.supervision import EndSession, LiveSession, Supervision
from gatekeep.messages import WireMessage
from gatekeep.protocols.postgres import conversation as talk
from gatekeep.protocols.postgres.cancel import CancelKey
from gatekeep.protocols.postgres.startup import StartupRequest, target_startup
from gatekeep.protocols.sql.digest import looks_secret
from gatekeep.proxies.postgres.front import Arrival, greet, refuse
from gatekeep.proxies.postgres.holding import wires
from gatekeep.proxies.postgres.keys import CancelKeys, CancelSession
from gatekeep.proxies.postgres.session import PostgresSession, Rooms
from gatekeep.proxies.postgres.target import TargetConnector, TargetLink, way_to
from gatekeep.runtime.tasks import TaskOwner

_log = structlog.get_logger(__name__)

_VECTOR_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Opens:
    """What opening a session needs, beside what the session itself needs."""

    admission: Admission
    policy: PolicyDesk
    targets: TargetBook
    catalogues: CatalogueDesk
    connector: TargetConnector
    keys: CancelKeys
    supervision: Supervision
    draw: Callable[[int], bytes]


class _Refused(GatekeepError):  # noqa: N818 - not a fault: an answer
    """The session does not begin; `words` are what the client gets."""

    def __init__(self, answer: WireMessage, reason: str) -> None:
        super().__init__(answer.primary)
        self.words = answer
        self.reason = reason


class PostgresSessions:
    """Runs every session of the Postgres door."""

    def __init__(self, opens: Opens, rooms: Rooms) -> None:
        self._opens = opens
        self._rooms = rooms
        self._owner = TaskOwner("postgres sessions")
        self._running: set[PostgresSession] = set()
        self._none_left = asyncio.Event()
        self._none_left.set()
        self.opened = 0

    async def serve(self, arrival: Arrival) -> None:
        """Run one session to its end; the door then closes the wire."""
        try:
            admitted = self._admit(arrival)
        except _Refused as refused:
            await self._turned_away(arrival, refused)
            return
        session = admitted.session
        with structlog.contextvars.bound_contextvars(
            session=session.code, principal=session.principal.name, target=session.target.name
        ):
            await self._recorded(arrival, admitted)

    def drain(self) -> None:
        """Let every session end as soon as what it runs has ended."""
        for session in list(self._running):
            session.drain()

    def stop_now(self, words: WireMessage) -> None:
        """End every session at once, with these words for those that wait for nothing."""
        for session in list(self._running):
            session.stop_now(words)

    async def ended(self, limit_s: float) -> bool:
        """Wait until no session runs, at most `limit_s`; whether that is so."""
        try:
            await asyncio.wait_for(self._none_left.wait(), limit_s)
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Cancel what is left of ended sessions."""
        await self._owner.close(grace=1.0)

    def _admit(self, arrival: Arrival) -> Admitted:
        request = arrival.request
        asked = Asked(
            arrival.principal,
            request.target_name,
            request.account,
            request.database,
            arrival.source,
            request.application_name,
            "postgres",
            request.replication,
        )
        admitted = self._opens.admission.admit(asked, self._opens.draw(16).hex())
        if isinstance(admitted, WireMessage):
            raise _Refused(admitted, "replication" if request.replication else "not admitted")
        if not self._rooms.journal.accepting:
            raise _Refused(self._unrecordable("no room"), "journal")
        read_only = self._opens.policy.only_reads(admitted.session)
        return Admitted(replace(admitted.session, read_only=read_only), admitted.judgement)

    def _unrecordable(self, cause: str) -> WireMessage:
        incident = self._opens.draw(3).hex().upper()
        _log.error("no new session: it cannot be recorded", incident=incident, cause=cause)
        return messages.cannot_record(incident)

    async def _turned_away(self, arrival: Arrival, refused: _Refused) -> None:
        """A proven principal that may not open this: an event, then the words."""
        payload = orjson.dumps(
            {
                "principal": arrival.principal.name,
                "source": arrival.source,
                "target": messages.printable(arrival.request.target_name, 63),
                "account": messages.printable(arrival.request.account, 63),
                "cause": refused.reason,
            }
        )
        journal = self._rooms.journal
        with contextlib.suppress(JournalUnavailable):
            await journal.append(journal.system, EventKind.SESSION_REFUSED, payload).durable()
        refuse(arrival.wire, refused.words)

    async def _recorded(self, arrival: Arrival, admitted: Admitted) -> None:
        """The session's chain, from its durable opening to its closing."""
        session = admitted.session
        journal = self._rooms.journal
        try:
            stream = journal.open_stream(
                session_id=session.id, subject=session.principal.person, target=session.target.name
            )
            opening = journal.append(
                stream,
                EventKind.SESSION_OPENED,
                _opening_payload(arrival, admitted),
                decision=admitted.judgement.envelope_json,
            )
            await opening.durable()
            if (decision := admitted.judgement.decision).notify:
                self._rooms.gate.noticing.opened(session, decision, opening.n)
        except JournalUnavailable as error:
            self._rooms.on_gateway_fault(error)
            refuse(arrival.wire, self._unrecordable(error.cause or error.public))
            return
        self.opened += 1
        began = self._rooms.clock.monotonic_ns()
        reason = "gateway fault"
        try:
            reason = await self._run(arrival, session, stream)
        finally:
            self._closed(stream, reason, self._rooms.clock.monotonic_ns() - began)

    async def _run(self, arrival: Arrival, session: Session, stream: EventStream) -> str:
        live = LiveSession(
            session, stream, self._rooms.clock.monotonic_ns(), end=lambda _reason: None,
            token=arrival.token_id,
        )  # fmt: skip
        link: TargetLink | None = None
        key: CancelKey | None = None
        running: PostgresSession | None = None
        try:
            permitted = await self._judged_settings(live, arrival.request)
            conversation = talk.Conversation(
                draw_nonce=lambda: self._opens.draw(12).hex(), target=session.target.name,
                vector=None,
            )  # fmt: skip
            probe = conversation.probe()
            link = await self._dial(session, arrival.request, permitted, probe)
            conversation.told(link.parameters)
            relayed = await self._vector_read(conversation, link)
            running = PostgresSession(
                live,
                wires(
                    arrival.wire, link, self._opens.catalogues.fresh(session),
                    [*arrival.request.settings, *(name for name, _ in permitted)],
                ),
                conversation, self._rooms,
            )  # fmt: skip
            cancel = self._canceller(link, running)
            key = self._opens.keys.issue(cancel, long=arrival.request.long_cancel_key)
            live.end = self._ender(running, cancel)
            self._running.add(running)
            self._none_left.clear()
            self._opens.supervision.register(live)
            shown, request = _parameters(link, arrival.request), arrival.request
            greet(arrival.wire, shown, key, request.notices, link.notices)
            arrival.wire.write(relayed)
            return await running.run(self._owner)
        except _Refused as refused:
            refuse(arrival.wire, refused.words)
            return refused.reason
        except (TargetFault, SettingsError) as fault:
            # A secret that cannot be read any more is our fault, and no more is said outside.
            self._note_target_fault(stream, fault)
            refuse(arrival.wire, fault.answer or messages.target_silent(session.target.name))
            return "target fault"
        finally:
            if running is not None:
                self._running.discard(running)
                if not self._running:
                    self._none_left.set()
            self._opens.supervision.forget(session.id)
            if key is not None:
                self._opens.keys.withdraw(key)
            if link is not None:
                link.wire.write(_TERMINATE)
                link.wire.close()

    async def _judged_settings(
        self, live: LiveSession, request: StartupRequest
    ) -> list[tuple[str, str]]:
        """Start-up settings beyond the harmless ones are SETs, each judged and recorded (H3)."""
        permitted: list[tuple[str, str]] = []
        for name, value in request.settings_to_judge:
            (answer,) = await self._rooms.gate.clear(
                live, session_fragment(live.session), [_as_set(name, value)]
            )
            if isinstance(answer, Refusal):
                raise _Refused(
                    answer.message or messages.bad_startup_setting(name, "is refused"), "setting"
                )
            self._rooms.gate.settle(live, answer, Outcome(OutcomeKind.DONE, tag="SET"))
            permitted.append((name, value))
        return permitted

    async def _dial(
        self,
        session: Session,
        request: StartupRequest,
        permitted: list[tuple[str, str]],
        probe: bytes,
    ) -> TargetLink:
        view = self._opens.catalogues.fresh(session)
        if view is None:
            view = await self._opens.catalogues.look_up(session)
        default = SessionVector().search_path
        packet = target_startup(
            account=session.account,
            database=session.database,
            application_name=f"gatekeep/{session.code}",
            search_path=(view.search_path if view else "") or default,
            settings=request.settings,
            permitted=permitted,
            read_only=session.read_only,
        )
        dial, credential = way_to(session.target, session.account, self._opens.targets.secret)
        return await self._opens.connector.connect(dial, credential, packet, probe)

    async def _vector_read(self, conversation: talk.Conversation, link: TargetLink) -> bytes:
        """Wait for the session vector, already asked for; what the target said meanwhile."""
        relayed: list[bytes] = []
        try:
            async with asyncio.timeout(_VECTOR_S):
                while conversation.vector is None:
                    data = await link.wire.read()
                    if not data:
                        raise TargetFault(
                            "the target left", cause="closed while its session vector was read"
                        )
                    for turn in conversation.receive_target(data):
                        if isinstance(turn, talk.Violation):
                            raise TargetFault("the target broke the protocol", cause=turn.what)
                        if isinstance(turn, talk.Relay):
                            relayed.append(turn.data)
        except TimeoutError:
            raise TargetFault(
                "the target does not answer", cause="its session vector was not read in time"
            ) from None
        return b"".join(relayed)

    def _canceller(self, link: TargetLink, running: PostgresSession) -> CancelSession:
        async def cancel() -> None:
            if running.cancel():
                return
            try:
                await self._opens.connector.cancel(link)
            except TargetFault as fault:
                _log.warning("cancel did not reach the target", cause=fault.cause)

        return cancel

    def _ender(self, running: PostgresSession, cancel: CancelSession) -> EndSession:
        """Ending from outside cancels what runs: a right that is revoked outlives no long query."""

        def end(reason: str) -> None:
            running.end(reason)
            if running.busy:
                self._owner.spawn(_awaited(cancel), name="cancel")

        return end

    def _note_target_fault(self, stream: EventStream, fault: GatekeepError) -> None:
        _log.warning("target fault", cause=fault.cause)
        payload = orjson.dumps({"what": messages.printable(fault.cause or fault.public)})
        with contextlib.suppress(JournalUnavailable):
            self._rooms.journal.append(stream, EventKind.TARGET_FAULT, payload)

    def _closed(self, stream: EventStream, reason: str, elapsed_ns: int) -> None:
        payload = orjson.dumps({"duration_us": elapsed_ns // 1000, "reason": reason})
        journal = self._rooms.journal
        with contextlib.suppress(JournalUnavailable):
            journal.append(stream, EventKind.SESSION_CLOSED, payload)
        journal.close_stream(stream)


async def _awaited(cancel: CancelSession) -> None:
    await cancel()


_TERMINATE: Final = b"X\x00\x00\x00\x04"


def _opening_payload(arrival: Arrival, admitted: Admitted) -> bytes:
    session = admitted.session
    return orjson.dumps(
        {
            "principal": session.principal.name,
            "person": session.principal.person,
            "groups": sorted(session.principal.groups),
            "account": session.account,
            "database": session.database,
            "source": session.source,
            "application": messages.printable(session.application),
            "protocol": session.protocol,
            "read_only": session.read_only,
            "tls": arrival.tls.version if arrival.tls else "",
            "token": arrival.token_id,
            "decision": orjson.Fragment(admitted.judgement.decision_json),
            "request": orjson.Fragment(admitted.judgement.request_json),
        }
    )


def _parameters(link: TargetLink, request: StartupRequest) -> dict[str, str]:
    """What the client is told: the target's own words, with the client's own application name."""
    told = dict(link.parameters)
    if "application_name" in told:
        told["application_name"] = request.application_name
    return told


def _as_set(name: str, value: str) -> SqlAction:
    text = f"SET {name} TO {value!r}"
    facts = SqlFacts(
        SqlClass.SESSION,
        "SET",
        redacted=messages.printable(f"SET {name} TO ***" if looks_secret(text) else text),
        template=f"SET {name} TO $1:text",
        settings=frozenset({name}),
        roles=frozenset({value} if name in _ROLE_SETTINGS else ()),
        tags=frozenset({"privilege"} if name in _ROLE_SETTINGS else ()),
    )
    return SqlAction("startup", text, (facts,), facts.redacted)


_ROLE_SETTINGS: Final = frozenset({"role", "session_authorization"})
