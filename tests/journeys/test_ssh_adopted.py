"""Adopted rules with a real ssh before a real sshd: what they let pass runs unasked, samples wait."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.adopted_rules import RULE, adopted, drawn
from support.opened_journal import events
from support.ssh_people import ASKING, People, people
from support.ssh_target import SshTarget
from support.ssh_terminal import terminal

from gatekeep.domain.likeness import Likeness, LikeSlot
from gatekeep.domain.suggestions import SlotBound, SlotScope, SuggestionScope
from gatekeep.gate.sampling import Sampler
from gatekeep.gate.sampling_ports import DrawKind

pytestmark = pytest.mark.journey

NAMES = [f"made-{number}" for number in range(60)]
TEMPLATE = "touch $1:path"


@pytest.fixture
def place(ssh_target: SshTarget, tmp_path: Path) -> Iterator[People]:
    """A gateway that asks about touch; engineers may make one of sixty files."""
    values = tuple(f"{tmp_path}/files/{name}" for name in NAMES)
    scope = SuggestionScope(
        "engineers", "ssh.exec", "", ("web-1",), ssh_target.account, verb="touch",
        templates=(TEMPLATE,), slots=(SlotScope(SlotBound.ANY_OF, values),),
    )  # fmt: skip
    policy = adopted(ASKING, scope, "touch-needs-sre", "test-ssh")
    with people(ssh_target, tmp_path, policy=policy) as made:
        yield made


def sampler_of(place: People) -> Sampler:
    """Who draws."""
    found: Any = place.served._app
    sampler: Sampler = found._parts.approvals.sampler
    return sampler


def made(place: People, kind: DrawKind = DrawKind.PASS) -> Path:
    """A file of whose making this is drawn today."""
    paths = [place.files / name for name in NAMES]
    like = [Likeness(TEMPLATE, (LikeSlot("path", str(path), sensitive=True),)) for path in paths]
    return paths[drawn(sampler_of(place), like, kind)]


def test_what_a_rule_lets_pass_runs_unasked(place: People) -> None:
    """Not a word on standard error; no request; the event names the rule that let it out."""
    path = made(place)
    done = place.way.ssh(f"touch {path}")
    assert (done.code, done.out, done.err) == (0, b"", b"")
    assert path.exists()
    assert not place.pending()
    (told,) = [one["payload"] for one in events(place.gateway, "kind:action.released")]
    approval = told["request"]["approval"]
    assert (approval["kind"], approval["grant"], approval["groups"]) == ("adopted", RULE, ["sre"])
    assert not {"approval", "sample"} & set(told)


def test_a_sample_waits_as_anything_else_does(place: People) -> None:
    """The request says of which rule it is a sample, and so does each event."""
    path = made(place, DrawKind.HELD)
    with place.running(place.way.line("ssh", "web-1", f"touch {path}")) as client:
        request = place.asked()
        assert request.subject.facts["sample"] == RULE
        assert not path.exists()
        place.approve(request)
        done = client.answer()
    assert done.code == 0
    assert RULE.encode() not in done.err
    assert path.exists()
    for kind in ("action.requested", "action.released"):
        (told,) = events(place.gateway, f"request:{request.id} kind:{kind}")
        assert told["payload"]["sample"] == RULE


def test_what_is_looked_at_afterwards_runs_at_once(place: People) -> None:
    """And whoever listens hears of it."""
    heard: list[Any] = []
    sampler_of(place).on_after = lambda *said: heard.append(said)
    path = made(place, DrawKind.AFTER)
    assert place.way.ssh(f"touch {path}").code == 0
    assert path.exists()
    assert [(rule, shown) for rule, _n, _session, shown in heard] == [(RULE, f"touch {path}")]


@pytest.mark.parametrize(
    "command", ["touch {0} {0}", "touch -c {0}", "touch {0}; true", "touch {0}.other", "FOO=1 touch {0}"]
)
def test_a_neighbour_waits(place: People, command: str) -> None:
    """Other words, another file, more than one command: people are asked, and it is no sample."""
    text = command.format(shlex.quote(str(made(place))))
    with place.running(place.way.line("ssh", "web-1", text)):
        request = place.asked()
        assert "sample" not in request.subject.facts
        place.deny()


def test_a_line_of_a_shell_waits(place: People) -> None:
    """The same words there mean what the shell was told before."""
    path = made(place)
    with terminal(place.way.line("ssh", "-tt", "web-1")) as person:
        person.until(rb"recorded as S-")
        person.type(f"touch {path}\r".encode())
        request = place.asked()
        assert "sample" not in request.subject.facts
        place.deny()
    assert not path.exists()
