"""The witness: what it gathers from a sealed journal is what its events say, and only if it verifies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.clock import MovedClock
from support.loop_events import DAY_US, SHOP, T0_US, WEB, Ask, LoopStory, command, person, statement
from support.loop_journal import Sealed
from support.loop_work import RULES, Month

from gatekeep.domain.actions import BoundValue
from gatekeep.domain.approvals import Approval
from gatekeep.feedback.deeds import Evidence
from gatekeep.feedback.evidence import Collector
from gatekeep.journal.reading import EventFiles
from gatekeep.journal.unsealing import Unsealer
from gatekeep.loop_witness import LAG_US, JournalWitness, likeness_key
from gatekeep.stores.sqlite.reading import stored_event

ALICE = person("alice")


class World:
    """A journal, a story that fills it, and witnesses of it."""

    def __init__(self, path: Path) -> None:
        self.sealed = Sealed(path / "journal")
        self.story = LoopStory(self.sealed)
        self.clock = MovedClock(wall=T0_US + 60 * DAY_US)
        self._witness: JournalWitness | None = None

    @property
    def journal(self) -> Path:
        """Where it is."""
        return self.sealed.spool.journal

    def sign(self) -> None:
        """Make all of it durable, archived and signed."""
        self.sealed.spool.commit()
        self.sealed.archive()

    def unsealer(self) -> Unsealer:
        """With the keys that are there."""
        return Unsealer(self.sealed.spool.ring, self.sealed.spool.keys)

    def witness(self) -> JournalWitness:
        """A new one."""
        vkeys = [self.sealed.spool.vkey_text]
        return JournalWitness(self.journal, self.unsealer(), vkeys)

    def read(self, witness: JournalWitness | None = None) -> Evidence:
        """What a witness says; a new one unless told."""
        asked = witness or self.witness()
        try:
            return asked.read(self.clock.wall_us())
        finally:
            if witness is None:
                asked.close()

    def plainly(self) -> Evidence:
        """The same by opening and parsing every event."""
        files, unsealer, collector = EventFiles(self.journal), self.unsealer(), Collector()
        for held in files.events(0, files.durable_n()):
            collector.feed(stored_event(held, unsealer))
        files.close()
        return collector.evidence(self.clock.wall_us(), verified=True)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """An empty journal."""
    return World(tmp_path)


def test_it_gathers_what_the_events_say(world: World) -> None:
    """The short ways through sealed events end where the long one does; so many are verified beside."""
    world.story.activated(main=RULES)
    month = Month(world.story)
    while world.sealed.spool.n < 4500:
        month.session()
    world.sign()
    evidence = world.read()
    assert evidence == world.plainly()
    assert evidence.verified
    assert len(evidence.deeds) > 10
    assert sum(one.count for one in evidence.passed.values()) > 1500


def test_it_goes_on_where_it_stopped(world: World) -> None:
    """Read in three parts, also from the spool, it is the same as at once."""
    witness, month = world.witness(), Month(world.story)
    for _ in range(3):
        for _ in range(3):
            month.session()
        world.sign()
        month.session()
        world.sealed.spool.commit()
        world.clock.wall = world.story.now_us + DAY_US // 48
        last = world.read(witness)
    assert last == world.plainly()
    assert last.unverified == ""


PIECES = ['"', "\\", "mode", ":", ",", "{", "request", "source", "text", "session", "time", "\u2028"]
NASTY = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@given(st.lists(st.tuples(NASTY, NASTY, st.booleans()), min_size=1, max_size=6))
@settings(max_examples=25, deadline=None)
def test_hostile_texts_mislead_no_short_way(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[str, str, bool]]
) -> None:
    """Texts, values and names that look like members of payloads stay texts."""
    world = World(tmp_path_factory.mktemp("nasty"))
    session = world.story.opened(ALICE, SHOP)
    shared = statement("select * from orders where id = 7")
    for text, value, ssh in drawn:
        if ssh:
            action = replace(command("uptime"), text=f"uptime {text}", details={"pty": value})
            world.story.passes(ALICE, WEB, action, session=session)
        else:
            parameters = (BoundValue(0, value),)
            said = shared._replace(redacted=text, parameters=parameters, statement_name=value)
            world.story.passes(ALICE, SHOP, said, session=session)
    world.sign()
    assert world.read() == world.plainly()


def test_leave_is_never_counted_as_passed_unasked(world: World) -> None:
    """Even where everything but the approval is like something that passed."""
    session = world.story.opened(ALICE, SHOP)
    read = statement("select * from orders where id = 7")
    leave = Approval("adopted", frozenset({"leads"}), mfa=False, age_s=0, grant="adopted-1")
    for approval in (None, leave, None, leave):
        world.story.passes(ALICE, SHOP, read, session=session, approval=approval)
    world.sign()
    evidence = world.read()
    assert [one.adopted for one in evidence.deeds] == ["adopted-1"] * 2
    assert [one.count for one in evidence.passed.values()] == [2]


def test_a_damaged_journal_is_no_evidence(world: World) -> None:
    """Nothing is verified then, and it is said what is wrong, also when it is asked again."""
    month = Month(world.story)
    for _ in range(8):
        month.session()
    world.sign()
    path = next((world.journal / "log" / "blob").rglob("000"))
    content = bytearray(path.read_bytes())
    content[2000] ^= 1
    path.write_bytes(bytes(content))
    witness = world.witness()
    for _ in range(2):
        evidence = world.read(witness)
        assert not evidence.verified
        assert "blob" in evidence.unverified


def test_a_journal_that_cannot_be_read_is_late_and_not_broken(world: World) -> None:
    """Nothing is suggested, and nothing is taken back for it; once it can be read, all is as ever."""
    month = Month(world.story)
    while world.sealed.spool.n < 600:
        month.session()
    world.sign()
    path = next((world.journal / "log" / "blob").rglob("001"))
    content = path.read_bytes()
    path.unlink()
    path.symlink_to("/proc/self/mem")  # which opens, and fails to be read
    witness = world.witness()
    evidence = world.read(witness)
    assert not evidence.verified
    assert not evidence.broken
    assert "error" in evidence.unverified.lower()
    path.unlink()
    path.write_bytes(content)
    assert world.read(witness) == world.plainly()
    path.unlink()
    world.story.passes(ALICE, SHOP, statement("select * from orders where id = 7"))
    world.sealed.spool.commit()
    assert world.read().broken


def test_a_missing_journal_is_no_evidence(world: World) -> None:
    """Nor is one of which files are gone, or that nobody signed."""
    world.story.activated(main=RULES)
    world.sealed.spool.commit()
    assert not world.read().verified
    (world.journal / "spool" / "acked").unlink()
    assert world.read().unverified


def test_what_is_not_signed_for_long_is_no_evidence(world: World) -> None:
    """An archivist that stands still for more than an hour stops the loop; a short while does not."""
    world.story.activated(main=RULES)
    world.sign()
    world.story.passes(ALICE, SHOP, statement("select * from orders where id = 7"))
    world.sealed.spool.commit()
    world.clock.wall = world.story.now_us + LAG_US // 2
    assert world.read().verified
    world.clock.wall = world.story.now_us + 2 * LAG_US
    assert "archivist" in world.read().unverified


def test_erased_payloads_are_counted(world: World) -> None:
    """A person whose key was destroyed leaves a verified journal, and a number."""
    session = world.story.opened(ALICE, WEB)
    world.story.asks(ALICE, WEB, command("uptime"), Ask("AB23"), session=session)
    world.sign()
    owner = f"person-{int(session, 16) % 40}"
    del world.sealed.spool.keys.subjects[owner]
    evidence = world.read()
    assert evidence.verified
    assert not evidence.deeds
    assert evidence.unknown == 3


@given(st.binary(max_size=200))
def test_any_bytes_have_a_likeness_or_none(plain: bytes) -> None:
    """What is not found is not guessed."""
    assert likeness_key(plain) is None or len(plain) > 40
