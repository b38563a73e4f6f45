"""The demo's office: its clock, its people, its policy, its history, and a tour that ends where a promise fails."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest

from gatekeep.demo import loop_history, loop_office, loop_tour
from gatekeep.demo.configure import DemoFiles
from gatekeep.demo.loop_office import OfficeClock
from gatekeep.demo.one_time import code_of, new_secret
from gatekeep.demo.tour_steps import TourFailed
from gatekeep.domain.sessions import SessionVector
from gatekeep.domain.suggestions import DAY_US
from gatekeep.feedback.exclusions import YOUNG_US
from gatekeep.policy.loading import load
from gatekeep.protocols.sql.likeness import sql_likeness
from gatekeep.protocols.sql.reading import read_statements
from gatekeep.runtime.clock import SystemClock


def test_time_in_the_office_is_only_moved_on() -> None:
    """It begins days ago; what waits still waits by the machine's own time."""
    clock, own = OfficeClock(40), SystemClock()
    began = clock.wall_us()
    assert abs(own.wall_us() - began - 40 * DAY_US) < 60_000_000
    clock.pass_days(3)
    clock.pass_s(-500)
    assert 3 * DAY_US <= clock.wall_us() - began < 3 * DAY_US + 60_000_000
    assert abs(own.monotonic_ns() - clock.monotonic_ns()) < 60_000_000_000


def test_the_days_of_the_history_are_enough_and_end_before_today() -> None:
    """Older than what counts as a young rule; with the trial it does not reach into the future."""
    assert loop_history.DAYS * DAY_US > YOUNG_US
    assert loop_history.DAYS + 1 + loop_tour._SHADOW_DAYS + 1 < loop_office.BEGINS_DAYS_AGO


def test_the_office_has_a_low_risk_rule_and_nobody_who_decides_for_himself() -> None:
    """One rule that asks, of low risk; whoever accepts suggestions is no beneficiary of any."""
    version = load({"office.cedar": loop_office._POLICY})
    asking = [one for one in version.rules if one.approvers]
    assert [(one.id, one.risk) for one in asking] == [("changes-need-a-lead", "low")]
    assert not set(loop_office.REVIEWERS) & {*loop_office.SUPPORT, *loop_office.LEADS}


def test_every_change_of_the_history_is_like_the_others() -> None:
    """One template; only the number of the order differs."""
    found = set()
    for order in (101, 205):
        text = loop_history.change_of(order)
        (facts,) = read_statements(text, catalogue=None, vector=SessionVector())
        likeness = sql_likeness(facts.template, text)
        assert likeness is not None
        assert likeness.values[-1] == str(order)
        found.add(likeness.template)
    assert len(found) == 1


def test_a_code_is_that_of_the_time_it_is_asked_for(tmp_path: Path) -> None:
    """Whose clock is forty days behind needs the code of then."""
    secret = tmp_path / "secret"
    secret.write_text(new_secret())
    codes = {code_of(secret, at * DAY_US) for at in range(20_000, 20_010)}
    assert len(codes) > 5
    assert code_of(secret, 20_000 * DAY_US) == code_of(secret, 20_000 * DAY_US)


def test_nothing_is_left_of_an_office(tmp_path: Path) -> None:
    """Its state and its keys are removed, and nothing else of the demo."""
    demo = DemoFiles(tmp_path / "demo")
    files = loop_office.office_files(demo)
    for place in (files.state / "journal", files.keys, demo.state / "journal"):
        place.mkdir(parents=True)
    loop_office.clear_office(demo)
    assert not files.state.exists()
    assert not files.keys.exists()
    assert (demo.state / "journal").exists()
    loop_office.clear_office(demo)


class _Silent(loop_tour._Way):
    """A command line that says nothing, whatever it is asked."""

    def quietly(self, who: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(arguments, 6, "", "the gateway is not reached")


async def test_the_tour_of_the_loop_stops_where_nothing_answers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not claim a suggestion that it did not see."""
    monkeypatch.setattr(loop_tour, "_SIGNED_S", 0.0)
    way = _Silent(None, Path("psql"), asyncio.get_running_loop())  # type: ignore[arg-type]  # nobody is asked
    with pytest.raises(TourFailed, match="gave no JSON"):
        await asyncio.to_thread(loop_tour._steps, way)
    assert "suggest run" in capsys.readouterr().out
