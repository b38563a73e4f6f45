"""The tour's part about approvals: one statement held and released, another held and denied.

The engineer works in psql, the DBA on the command line; where Slack is set up, it shows both.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from gatekeep.demo.one_time import current_code
from gatekeep.demo.tour_steps import (
    STEP_S,
    Done,
    Sight,
    TourFailed,
    expect,
    gatekeep,
    psql_command,
    quietly,
    say,
    show,
)

_DELETE: Final = "DELETE FROM order_items"
_UPDATE: Final = "UPDATE orders SET status = 'open'"
_WHY_NOT: Final = "not while shops are open"
_LOOK_S: Final = 0.3


def take_approval_steps(sight: Sight) -> None:
    """Run them; raises TourFailed at the first that does not hold."""
    _released(sight)
    _denied(sight)


def _released(sight: Sight) -> None:
    waiting = _Waiting(sight, "BEGIN", _DELETE, "ROLLBACK")
    request = waiting.request()
    if request is None:
        raise TourFailed("no statement waits for approval", cause=waiting.end().stderr[-500:])
    say("   The DBA reads it whole, and what it would do:")
    shown = gatekeep(sight, "approvals", "show", request["id"], *_as_bob(sight))
    expect(_DELETE in shown.stdout + shown.stderr, "the request shows the statement", shown)
    expect(not waiting.over, "the statement still waits", shown)
    say("   …and says yes, with a code from his authenticator. Exactly those bytes run.")
    with tempfile.TemporaryDirectory(prefix="gatekeep-tour-") as scratch:
        code = Path(scratch) / "code"
        code.touch(0o600)
        code.write_text(current_code(sight.code_secret_of_bob))
        given = _decide(sight, "approve", request, "test data, agreed", "--code-file", str(code))
    expect(given.returncode == 0, "the approval counts", given)
    answer = waiting.end()
    expect("DELETE 2000" in answer.stdout, "psql goes on where it stood: DELETE 2000", answer)


def _denied(sight: Sight) -> None:
    """In a second tour right after the first nobody is asked anew: the denial is remembered."""
    say("   …she rolls it back. What he denies fails in her psql, with his reason:")
    waiting = _Waiting(sight, _UPDATE)
    request = waiting.request()
    if request is not None:
        denied = _decide(sight, "deny", request, _WHY_NOT)
        expect(denied.returncode == 0, "the denial counts", denied)
    answer = waiting.end()
    told = _WHY_NOT if request is not None else "bob denied the same"
    expect(answer.returncode != 0 and told in answer.stderr, "psql reads why", answer)


def _decide(
    sight: Sight, verdict: str, request: Mapping[str, Any], reason: str, *more: str
) -> Done:
    return gatekeep(
        sight, "approvals", verdict, request["id"], "--yes", "--digest", request["digest"][:12],
        "--reason", reason, *more, *_as_bob(sight),
    )  # fmt: skip


def _as_bob(sight: Sight) -> tuple[str, str]:
    return ("--token-file", str(sight.token_file_of_bob))


class _Waiting:
    """The engineer's psql, which stands still until somebody decides."""

    def __init__(self, sight: Sight, *statements: str) -> None:
        line, environment = psql_command(sight, *statements)
        self._sight = sight
        self._last = statements
        self._process = subprocess.Popen(  # noqa: S603 - our own program with our own arguments
            line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env=environment,
        )  # fmt: skip

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def request(self) -> dict[str, Any] | None:
        """The request that it waits for; None where it ended instead, or nothing waits in time."""
        say(f"   $ gatekeep approvals ls {' '.join(_as_bob(self._sight))}")
        give_up = time.monotonic() + STEP_S
        while time.monotonic() < give_up and not self.over:
            listed = quietly(self._sight, "approvals", "ls", "-o", "json", *_as_bob(self._sight))
            found = [one for one in json.loads(listed.stdout or "[]") if one["text"] in self._last]
            if found:
                say(f"   | {found[0]['id']}  alice  {found[0]['text']}")
                return dict(found[0])
            time.sleep(_LOOK_S)
        self._process.terminate()
        return None

    def end(self) -> Done:
        """What it said, once it has ended."""
        out, err = self._process.communicate(timeout=STEP_S)
        done = subprocess.CompletedProcess(self._process.args, self._process.returncode, out, err)
        show(done)
        return done
