"""The demo's second gateway, an office whose time is moved by hand: its people, its policy, its clock.

It stands before the same database. What happens in it is `loop_history` and `loop_tour`.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from gatekeep.app import Gateway
from gatekeep.demo.configure import TARGET, DemoFiles
from gatekeep.demo.embedded import HOST
from gatekeep.demo.one_time import code_of, new_secret
from gatekeep.domain.suggestions import DAY_US
from gatekeep.runtime.clock import SystemClock
from gatekeep.settings import load_settings

BEGINS_DAYS_AGO: Final = 40
SUPPORT: Final = ("ann", "ben", "cleo")
LEADS: Final = ("dora", "emil", "finn")
REVIEWERS: Final = ("olga", "paul")
"""Who may accept suggestions; each has one-time codes."""

_US: Final = 1_000_000
_POLICY: Final = """\
// An office: support changes orders, and one of its leads looks at each change first.

@id("support-signs-in")
@title("Support reads")
permit (
  principal in Group::"support",
  action in [Action::"session.open", Action::"sql.read", Action::"sql.session"],
  resource
);

@id("changes-need-a-lead")
@title("Changes in production need a lead")
@why("a lead looks at every change of an order")
@risk("low")
@owner("support")
permit (principal in Group::"support", action == Action::"sql.write", resource in Environment::"prod")
when { context has approval && context.approval.groups.contains("leads") };

@id("owners-look-after-it")
@title("Owners read the audit trail and decide suggestions")
permit (
  principal in Group::"owners",
  action in [Action::"audit.read", Action::"policy.read", Action::"suggestion.accept"],
  resource
);
"""


class OfficeClock:
    """The machine's own time, set to another day. It is only ever moved on."""

    def __init__(self, days_ago: int) -> None:
        self._own = SystemClock()
        self._moved_us = -days_ago * DAY_US

    def wall_us(self) -> int:
        """Microseconds since 1970-01-01 UTC, in the office."""
        return self._own.wall_us() + self._moved_us

    def monotonic_ns(self) -> int:
        """The machine's own: what waits, waits for real."""
        return self._own.monotonic_ns()

    def pass_s(self, seconds: float) -> None:
        """Let time pass in the office."""
        self._moved_us += int(max(0.0, seconds) * _US)

    def pass_days(self, days: int) -> None:
        """The same, in whole days."""
        self.pass_s(days * DAY_US / _US)


@dataclass(frozen=True, slots=True)
class Office:
    """A running office. `tokens` holds everybody's token; each also lies in a file."""

    files: DemoFiles
    gateway: Gateway
    clock: OfficeClock
    tokens: dict[str, str]

    def token_file(self, name: str) -> Path:
        """The file with this one's token."""
        return self.files.tokens / name

    def code(self, name: str) -> str:
        """This reviewer's one-time code, at the time that it is in the office."""
        return code_of(self.files.code_secret(name), self.clock.wall_us())


def office_files(demo: DemoFiles) -> DemoFiles:
    """Where everything of the office lives."""
    return DemoFiles(demo.state / "office")


def clear_office(demo: DemoFiles) -> None:
    """Nothing is left of an office, so that the next one begins anew."""
    files = office_files(demo)
    for place in (files.state, files.keys):
        shutil.rmtree(place, ignore_errors=True)


async def open_office(demo: DemoFiles, target_port: int) -> Office:
    """Start it, forty days ago by its clock. Raises SettingsError where it cannot."""
    files = office_files(demo)
    _configure(files, demo, target_port)
    clock = OfficeClock(BEGINS_DAYS_AGO)
    gateway = await Gateway.start(load_settings(files.settings, os.environ), clock=clock)
    tokens: dict[str, str] = {}
    files.tokens.mkdir(exist_ok=True, mode=0o700)
    for name in (*SUPPORT, *LEADS, *REVIEWERS):
        _row, tokens[name] = await gateway.make_token(name, ttl_s=None, note="demo")
        _keep(files.tokens / name, tokens[name])
    return Office(files, gateway, clock, tokens)


def _configure(files: DemoFiles, demo: DemoFiles, target_port: int) -> None:
    files.config.mkdir(parents=True, exist_ok=True, mode=0o700)
    files.state.chmod(0o700)
    (files.config / "policy").mkdir(exist_ok=True)
    (files.config / "policy" / "office.cedar").write_text(_POLICY)
    people: list[dict[str, object]] = []
    for group, names in (("support", SUPPORT), ("leads", LEADS), ("owners", REVIEWERS)):
        people += [{"name": name, "person": name, "groups": [group]} for name in names]
    for one in people:
        if one["name"] in REVIEWERS:
            secret = files.code_secret(str(one["name"]))
            _keep(secret, new_secret())
            one["totp"] = f"file:{secret}"
    target = {
        "name": TARGET, "kind": "postgres", "host": HOST, "port": target_port, "database": "shop",
        "environment": "prod", "labels": ["team=shop"], "owner": "shop-team", "tls": "disable",
        "accounts": {"app_rw": f"file:{demo.password('app_rw')}"},
    }  # fmt: skip
    settings = {
        "state_dir": str(files.state),
        "keys_dir": str(files.keys),
        "targets": str(files.config / "targets.yaml"),
        "principals": str(files.config / "principals.yaml"),
        "policy": {"dir": str(files.config / "policy")},
        "postgres": {"host": HOST, "port": 0, "tls": "off"},
        "http": {"host": HOST, "port": 0},
        "ssh": {"host": HOST, "port": 0},
        "feedback": {"every_s": 86_400},
    }
    for name, content in (
        ("targets", {"targets": [target]}), ("principals", {"principals": people}), ("gatekeep", settings),
    ):  # fmt: skip
        (files.config / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))


def _keep(path: Path, secret: str) -> None:
    """A file that only we may read."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(secret)
