"""The loop in a real gateway: its journal, its policy, its clock, its way through a restart."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from structlog.testing import capture_logs
from support import proof_world as example
from support.clock import SteppedClock
from support.loop_world import ID, RULE_ID, YES, FakeWitness, ThoughtsHere, relaxation
from support.polling import until
from support.running_gateway import alive

from gatekeep.app import Gateway
from gatekeep.domain.events import SearchQuery
from gatekeep.domain.suggestions import SuggestionState
from gatekeep.errors import LoopUnavailable
from gatekeep.feedback.deeds import Answer
from gatekeep.gate.policy_ports import PolicyWish
from gatekeep.loop_assembly import LoopHalf, week_of
from gatekeep.loop_thinker import Thinker, Thinking
from gatekeep.loop_thinker_link import ThinkerLink
from gatekeep.settings import Settings, load_settings

DAY_S = 86_400.0
PEOPLE = [
    *({"name": name, "groups": ["leads"]} for name in ("lea", "leo", "lin", "lou")),
    *({"name": name, "groups": ["sre"]} for name in example.PEOPLE),
]
WISH = PolicyWish("lea", "apply", "lea-os", "OPS-1")


@pytest.fixture
def place() -> Iterator[Path]:
    """Configuration of the worked example. A short path."""
    place = Path(tempfile.mkdtemp(prefix="gk-loop-"))
    (place / "policy").mkdir()
    (place / "policy" / "rules.cedar").write_text(example.RULES)
    (place / "targets.yaml").write_text("targets: []\n")
    (place / "principals.yaml").write_text(yaml.safe_dump({"principals": PEOPLE}))
    settings = {
        "state_dir": str(place / "state"), "keys_dir": str(place / "keys"),
        "postgres": {"port": 0}, "ssh": {"port": 0}, "http": {"port": 0}, "drain_s": 1.0,
        "policy": {"dir": str(place / "policy")}, "feedback": {"every_s": 60.0},
    }  # fmt: skip
    (place / "gatekeep.yaml").write_text(yaml.safe_dump(settings))
    yield place
    shutil.rmtree(place, ignore_errors=True)


class Town:
    """A gateway over these files, by a clock that is moved, with the evidence of the example."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.clock = SteppedClock()
        self.clock.step_s((example.NOW_US - self.clock.wall_us()) / 1_000_000)
        self.witness = FakeWitness()
        self.gateway: Gateway

    async def start(self) -> None:
        """Start, and give the loop what it shall see."""
        settings = load_settings(self.place / "gatekeep.yaml", {})
        self.gateway = await Gateway.start(settings, {}, self.clock)
        over = example.version()
        thinking = Thinking(
            lambda _evidence, _version, _now: [relaxation(rule=example.standing_rule(over))]
        )
        self.loop.round._thoughts = ThoughtsHere(Thinker(self.witness.read, thinking))

    async def restart(self) -> None:
        """Stop and start."""
        await self.gateway.stop()
        await self.start()

    @property
    def loop(self) -> LoopHalf:
        """The rooms of the loop."""
        return self.gateway._parts.loop

    @property
    def in_force(self) -> bool:
        """Whether the version that rules has the rule."""
        standing = self.gateway._parts.desk.active.standing
        return any(one.id == RULE_ID for one in standing)

    async def accepted(self) -> None:
        """Two persons said yes to what was found."""
        await self.loop.desk.run()
        for name in ("lea", "leo"):
            who = self.gateway._parts.directory.principal(name)
            assert who is not None
            came = await self.loop.desk.accept(ID, who, YES)
            assert came.counted, came.words

    async def told(self, kind: str) -> list[dict[str, Any]]:
        """The payloads of all events of a kind, oldest first."""
        query = SearchQuery(terms=(("kind", kind),))
        found = await self.gateway._parts.archive.search(query)
        return [dict(one.payload or {}) for one in reversed(found)]


@pytest.fixture
async def town(place: Path) -> AsyncIterator[Town]:
    """It runs, and is ended afterwards."""
    made = Town(place)
    await made.start()
    yield made
    await made.gateway.stop()


async def test_the_whole_way_and_back_in_a_real_gateway(town: Town) -> None:
    """Proposed, accepted by two, tried, in force over a restart, denied by a person, gone."""
    await town.accepted()
    assert town.loop.book.lives[ID].state is SuggestionState.SHADOW
    await town.restart()
    town.clock.pass_s(8 * DAY_S)
    await town.loop.desk.run()
    assert town.in_force
    await town.restart()
    assert town.in_force
    n = town.witness.evidence.next_n
    hit = example.command_deed(
        n, town.clock.wall_us(), at=example.where("ben"), answer=Answer.DENIED, adopted=RULE_ID
    )
    town.witness.evidence = example.evidence([*town.witness.evidence.deeds, hit])
    report = await town.loop.desk.run()
    assert report.reverted == (ID,)
    assert not town.in_force
    activated = await town.told("policy.activated")
    assert [one["via"] for one in activated] == ["start", "suggestion", "suggestion"]
    assert activated[1]["accepted_by"] == ["lea", "leo"]
    (reverted,) = await town.told("suggestion.reverted")
    assert f"event {n}" in reverted["reason"]
    await town.restart()
    assert not town.in_force


async def test_the_layer_stays_where_the_files_are_applied_anew(town: Town) -> None:
    """SIGHUP and `policy apply` compose files and layer; the layer's own rule is no news to anybody."""
    await town.accepted()
    town.clock.pass_s(8 * DAY_S)
    await town.loop.desk.run()
    rules = town.place / "policy" / "rules.cedar"
    rules.write_text(rules.read_text() + '\n@id("no-dd") forbid (principal, action == Action::"ssh.exec", resource) when { context.argv.contains("dd") };\n')
    done = await town.gateway._parts.versions.apply(WISH)
    assert (done["held"], done["added"]) == ([], ["no-dd"])
    assert town.in_force
    await town.gateway.reload()
    assert town.in_force


async def test_files_that_use_the_id_of_an_adopted_rule_do_not_keep_the_gateway_down(
    town: Town,
) -> None:
    """The start goes on without the layer's rule; its suggestion is reverted, and that is told."""
    await town.accepted()
    town.clock.pass_s(8 * DAY_S)
    await town.loop.desk.run()
    (town.place / "policy" / "more.cedar").write_text(
        f'@id("{RULE_ID}") forbid (principal, action == Action::"ssh.exec", resource) when {{ context.argv.contains("dd") }};\n'
    )
    await town.restart()
    life = town.loop.book.lives[ID]
    if town.in_force:  # held back: the version before rules, with its layer
        assert life.state is SuggestionState.CANARY
    else:
        assert life.state is SuggestionState.REVERTED
        assert await town.told("suggestion.reverted")


async def test_the_clock_starts_the_runs(town: Town) -> None:
    """Once every `feedback.every_s`, by whatever clock the gateway was given."""
    assert town.loop.book.lives == {}
    town.clock.step_s(61)
    await until(lambda: ID in town.loop.book.lives, "a run")


async def test_a_run_that_fails_is_told_by_kind_and_place_alone(town: Town) -> None:
    """The text of an error may hold a statement with its values; and the next run comes all the same."""
    town.witness.error = ValueError("select * from cards where number = '4111-1111'")
    with capture_logs() as lines:
        town.clock.pass_s(61)
        await until(lambda: any(one["event"] == "failed" for one in lines), "a failure")
    (line,) = [one for one in lines if one["event"] == "failed"]
    assert (line["what"], line["error"]) == ("a run of the loop", "ValueError")
    assert line["place"].startswith("loop_world.py:")
    assert "4111" not in str(lines)
    town.witness.error = None
    town.clock.pass_s(61)
    await until(lambda: ID in town.loop.book.lives, "the next run")


async def test_a_state_that_cannot_be_read_does_not_stop_the_clock(town: Town) -> None:
    """What is owed is looked for again and again; the runs go on beside it."""
    town.loop._books._db.close()
    town.loop.book.fell_behind()
    with capture_logs() as lines:
        await until(lambda: any(one["event"] == "failed" for one in lines), "a failure")
        town.clock.pass_s(61)
        await until(lambda: any(one.get("what") == "a run of the loop" for one in lines), "a run")


async def test_what_was_accepted_is_looked_at_soon_after_each_start(town: Town) -> None:
    """A gateway that is restarted more often than runs are due still sees what people said."""
    await town.accepted()
    town.clock.pass_s(8 * DAY_S)
    await town.loop.desk.run()
    file = town.place / "gatekeep.yaml"
    file.write_text(file.read_text().replace("every_s: 60.0", "every_s: 86400.0"))
    await town.restart()
    hit = example.command_deed(
        town.witness.evidence.next_n, town.clock.wall_us(), at=example.where("ben"),
        answer=Answer.DENIED, adopted=RULE_ID,
    )  # fmt: skip
    town.witness.evidence = example.evidence([*town.witness.evidence.deeds, hit])
    assert town.in_force
    town.clock.pass_s(61)
    await until(lambda: not town.in_force, "a run")


async def test_it_reads_the_gateway_s_own_journal(place: Path) -> None:
    """What is there verifies, as soon as it is signed, and carries no suggestion yet."""
    gateway = await Gateway.start(load_settings(place / "gatekeep.yaml", {}), {})
    try:
        await until((place / "state" / "journal" / "signed").exists, "a checkpoint", 60.0)
        report = await gateway._parts.loop.desk.run()
        assert (report.stopped, report.proposed) == ("", ())
        assert report.read > 0
    finally:
        await gateway.stop()


async def test_a_run_whose_process_is_killed_changes_nothing_and_the_next_begins_anew(
    place: Path,
) -> None:
    """It is told in the log, and the next run has another process."""
    gateway = await Gateway.start(load_settings(place / "gatekeep.yaml", {}), {})
    try:
        await until((place / "state" / "journal" / "signed").exists, "a checkpoint", 60.0)
        loop = gateway._parts.loop
        link = loop._thoughts
        assert isinstance(link, ThinkerLink)
        await loop.desk.run()
        killed = link.pid
        os.kill(killed, signal.SIGSTOP)
        with capture_logs() as told:
            running = asyncio.ensure_future(loop._run())
            await until(lambda: link.asked, "the run asks")
            os.kill(killed, signal.SIGKILL)
            await running
        assert "a run of the loop was lost" in [one["event"] for one in told]
        assert loop.book.lives == {}
        report = await loop.desk.run()
        assert (report.stopped, report.proposed) == ("", ())
        assert link.pid not in {0, killed}
    finally:
        await gateway.stop()


async def test_a_gateway_that_stops_in_the_middle_of_a_run_waits_for_nothing(place: Path) -> None:
    """Its process goes with it, whoever started the run."""
    gateway = await Gateway.start(load_settings(place / "gatekeep.yaml", {}), {})
    try:
        loop = gateway._parts.loop
        link = loop._thoughts
        assert isinstance(link, ThinkerLink)
        await loop.desk.run()
        pid = link.pid
        os.kill(pid, signal.SIGSTOP)
        running = asyncio.ensure_future(loop.desk.run())
        await until(lambda: link.asked, "the run asks")
    finally:
        await gateway.stop()
    with pytest.raises(LoopUnavailable):
        await running
    assert not alive(pid)


def test_the_week_turns_on_monday_at_nine() -> None:
    """UTC; one microsecond earlier it is the week before."""
    monday_us = 1_794_819_600_000_000  # 2026-11-16 09:00 UTC
    assert week_of(monday_us, Settings()) == week_of(monday_us - 1, Settings()) + 1
    assert week_of(monday_us + 6 * 86_400_000_000, Settings()) == week_of(monday_us, Settings())
