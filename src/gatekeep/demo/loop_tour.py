"""The tour's part about the feedback loop: a suggestion is found, proven, accepted, used and taken back.

In the office of `loop_office`, by our own command line and real psql; only the office's clock is moved.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gatekeep.demo.configure import TARGET
from gatekeep.demo.embedded import HOST
from gatekeep.demo.loop_history import DAYS, approved_change, change_of, live_history
from gatekeep.demo.loop_office import LEADS, REVIEWERS, SUPPORT, Office
from gatekeep.demo.tour_steps import CLI, STEP_S, Done, TourFailed, expect, finished, say, show

_SIGNED_S: Final = 2.5
"""What is not signed yet is no evidence; the archivist signs about every second."""
_SHADOW_DAYS: Final = 8
_TRIES: Final = 10
_LOOK_S: Final = 0.1
_THINKS_S: Final = 200
_FIRST: Final = 301
"""The first order that is changed while the rule is in force."""
_WRONG: Final = "order was still unpaid"


@dataclass(frozen=True, slots=True)
class _Way:
    """The office, and the programs that its people use."""

    office: Office
    psql: Path

    def cli(self, who: str, *arguments: str) -> Done:
        """Our own command line as this one, shown with what it said."""
        say(f"   {who}$ gatekeep {' '.join(arguments)}")
        done = self.quietly(who, *arguments)
        show(done)
        return done

    def quietly(self, who: str, *arguments: str) -> Done:
        """The same, not shown."""
        token = ("--token-file", str(self.office.token_file(who)))
        environment = {**os.environ, "GATEKEEP_CONFIG": str(self.office.files.settings)}
        return finished([*CLI, *arguments, *token], environment)

    def document(self, who: str, *arguments: str) -> Any:
        """What our command line says as JSON."""
        answer = self.quietly(who, *arguments, "-o", "json")
        try:
            return json.loads(answer.stdout)
        except ValueError:
            raise TourFailed(
                f"gatekeep {' '.join(arguments)} gave no JSON", cause=answer.stderr[-500:]
            ) from None

    def change(self, who: str, order: int) -> subprocess.Popen[str]:
        """The psql of this one with the usual change, running."""
        port = self.office.gateway.postgres_port
        dsn = f"host={HOST} port={port} user={who} dbname={TARGET}"
        say(f"   {who}$ psql … -c {change_of(order)}")
        return subprocess.Popen(  # noqa: S603 - our own program with our own arguments
            [str(self.psql), "-X", dsn, "-c", change_of(order)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={"PGPASSWORD": self.office.tokens[who], "PATH": os.defpath},
        )  # fmt: skip

    def lived(self, order: int) -> None:
        """One change that a lead approves, as in the weeks before."""
        asyncio.run(approved_change(self.office, SUPPORT[order % len(SUPPORT)], LEADS[order % len(LEADS)], order))


async def take_loop_tour(office: Office, psql: Path) -> None:
    """Live the weeks before, then run every step; raises TourFailed at the first that does not hold."""
    say(f"7. An office where support's changes wait for a lead. {DAYS} days of it, in a few seconds:")
    count = await live_history(office)
    say(f"   | {count} changes by {', '.join(SUPPORT)}; each waited, each was approved, by {', '.join(LEADS)}")
    await asyncio.to_thread(_steps, _Way(office, psql))
    say("Over weeks, too, everything was as promised.")


def _steps(way: _Way) -> None:
    suggestion = _found(way)
    _accepted(way, suggestion)
    _in_force(way, suggestion)
    _used(way)
    _looked_back(way, suggestion)
    _taken_back(way, suggestion)


def _found(way: _Way) -> str:
    say("   The loop reads the journal, and makes one suggestion:")
    answer = _run(way)
    listed = way.document(REVIEWERS[0], "suggest", "ls")
    expect(len(listed) == 1, "one suggestion is proposed", answer)
    suggestion = str(listed[0]["id"])
    answer = way.cli(REVIEWERS[0], "suggest", "show", suggestion)
    expect(answer.returncode == 0, "it says on what evidence, and what would change", answer)
    say("   A reviewer replays history under the proposed policy:")
    answer = way.cli(REVIEWERS[0], "suggest", "backtest", suggestion)
    expect(answer.returncode == 0, "nothing that anybody denied would pass", answer)
    return suggestion


def _run(way: _Way) -> Done:
    time.sleep(_SIGNED_S)
    return way.cli(REVIEWERS[0], "suggest", "run")


def _accepted(way: _Way, suggestion: str) -> None:
    say("   It lets more pass, so two people accept it, each with a code from the authenticator:")
    digest = str(way.document(REVIEWERS[0], "suggest", "show", suggestion)["digest"])[:12]
    for who in REVIEWERS:
        with tempfile.TemporaryDirectory(prefix="gatekeep-tour-") as scratch:
            code = Path(scratch) / "code"
            code.touch(0o600)
            code.write_text(way.office.code(who))
            said = ("--yes", "--digest", digest, "--reason", "never once denied")
            say(f"   {who}$ gatekeep suggest accept {suggestion} {' '.join(said)} --code-file …")
            answer = way.quietly(who, "suggest", "accept", suggestion, *said, "--code-file", str(code))
        for line in answer.stderr.splitlines()[-2:]:
            say(f"   | {line}")
        expect(answer.returncode == 0, f"the yes of {who} counts", answer)


def _in_force(way: _Way, suggestion: str) -> None:
    say("   For a week it is only tried on what is asked: leads still look at each change.")
    for order in range(201, 203):
        way.lived(order)
        way.office.clock.pass_days(_SHADOW_DAYS // 2)
    answer = _run(way)
    state = way.document(REVIEWERS[0], "suggest", "show", suggestion)["state"]
    expect(state == "canary", "nobody said no: its rule is in force", answer)


def _used(way: _Way) -> None:
    """Of the first ten matches half still wait: those are samples, and a lead looks at them first."""
    say("   The next change no longer waits:")
    for order in range(_FIRST, _FIRST + _TRIES):
        process = way.change(SUPPORT[order % len(SUPPORT)], order)
        request = _waiting(way, process)
        if request is None:
            answer = _ended(process)
            expect("UPDATE 1" in answer.stdout, "psql is answered at once: UPDATE 1", answer)
            return
        say(f"   | {request['id']} is a sample of the rule: a lead looks at this one first, and says yes")
        way.office.clock.pass_s(_THINKS_S)
        given = way.quietly(
            LEADS[0], "approvals", "approve", request["id"], "--yes", "--digest", request["digest"][:12]
        )
        answer = _ended(process)
        if given.returncode or "UPDATE 1" not in answer.stdout:
            raise TourFailed("a sample did not run after its approval", cause=given.stderr[-500:])
    raise TourFailed(f"{_TRIES} matches of the rule in force were held")


def _looked_back(way: _Way, suggestion: str) -> None:
    say("   A day later the loop has looked back: what it did, beside what was forecast.")
    way.office.clock.pass_days(1)
    _run(way)
    answer = way.cli(REVIEWERS[0], "suggest", "effect", suggestion)
    hits = way.document(REVIEWERS[0], "suggest", "effect", suggestion)["hits"]
    expect(hits >= 1, f"{hits} match{'es' if hits > 1 else ''} of the rule, and who looked at them", answer)


def _taken_back(way: _Way, suggestion: str) -> None:
    say("   What passed is looked at afterwards. Somebody says that it was wrong:")
    (sample, *_) = way.document(REVIEWERS[1], "suggest", "samples")
    answer = way.cli(
        REVIEWERS[1], "suggest", "answer", sample["id"], "wrong", "--reason", _WRONG
    )
    expect(answer.returncode == 0, "the answer counts", answer)
    state = _state_soon(way, suggestion, "reverted")
    answer = way.cli(REVIEWERS[0], "suggest", "ls", "--status", "reverted")
    expect(state == "reverted", "the rule is out of force, by itself", answer)
    say("   …and the next change waits again:")
    process = way.change(SUPPORT[0], _FIRST + _TRIES + 1)
    request = _waiting(way, process)
    process.terminate()
    answer = _ended(process)
    expect(request is not None, "it waits for a lead, as before", answer)


def _state_soon(way: _Way, suggestion: str, wanted: str) -> str:
    """Its state; the run that an answer starts takes a moment."""
    give_up = time.monotonic() + STEP_S
    while True:
        state = str(way.document(REVIEWERS[0], "suggest", "show", suggestion)["state"])
        if state == wanted or time.monotonic() > give_up:
            return state
        time.sleep(_LOOK_S)


def _waiting(way: _Way, process: subprocess.Popen[str]) -> dict[str, Any] | None:
    """The request that this psql waits for; None where it has ended instead."""
    give_up = time.monotonic() + STEP_S
    while process.poll() is None and time.monotonic() < give_up:
        found = way.document(LEADS[0], "approvals", "ls")
        if found:
            return dict(found[0])
        time.sleep(_LOOK_S)
    return None


def _ended(process: subprocess.Popen[str]) -> Done:
    out, err = process.communicate(timeout=STEP_S)
    done = subprocess.CompletedProcess(process.args, process.returncode, out, err)
    show(done)
    return done
