"""`gatekeep suggest`: what the loop proposes, on what evidence, what accepting it does and did."""

from __future__ import annotations

import enum
import re
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from gatekeep.cli import suggest_output as output
from gatekeep.cli.exits import Exit, Stop
from gatekeep.cli.output import Format, visible
from gatekeep.cli.suggest_deciding import Yes, accept_shown, take_back, told_of
from gatekeep.cli.tokens import seconds
from gatekeep.cli.verbs import Call, noun, verb
from gatekeep.domain.suggestions import SuggestionKind, SuggestionState
from gatekeep.messages import suggestions as words
from gatekeep.runtime.clock import SystemClock

PATH: Final = "/api/v1/suggestions"
SAMPLES: Final = "/api/v1/suggestion-samples"
_ID: Final = re.compile(r"[A-Za-z0-9-]{1,40}")
_WHOLE_ID: Final = re.compile(r"S-[0-9a-f]{8}")
_RUN_SECONDS: Final = 310.0
_US: Final = 1_000_000
_ADOPTED: Final = frozenset(one.value for one in SuggestionState if one.adopted)

app = noun("Suggestions: what decisions so far propose for the policy, and what became of it.")

SuggestionId = Annotated[
    str, typer.Argument(help="Its id, such as S-3f9a12bc, or the beginning of it.")
]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept with it.")]
CodeFile = Annotated[
    Path | None, typer.Option("--code-file", help="A file with the authenticator's code.")
]


class Status(enum.StrEnum):
    """What `--status` may say."""

    PROPOSED = "proposed"
    ADOPTED = "adopted"
    ACCEPTED = "accepted"
    SHADOW = "shadow"
    CANARY = "canary"
    ACTIVE = "active"
    VERIFIED = "verified"
    SNOOZED = "snoozed"
    DISMISSED = "dismissed"
    REVERTED = "reverted"
    EXPIRED = "expired"
    ALL = "all"


class Answer(enum.StrEnum):
    """What may be said of a sample."""

    RIGHT = "right"
    WRONG = "wrong"


@verb(
    app,
    "ls",
    examples=("gatekeep suggest ls", "gatekeep suggest ls --status adopted --kind relax", "gatekeep suggest ls --status all -o json"),
)  # fmt: skip
def ls(
    call: Call,
    *,
    status: Annotated[Status, typer.Option("--status", help="Those in it; adopted: accepted and after.")] = Status.PROPOSED,
    kind: Annotated[SuggestionKind | None, typer.Option("--kind", help="Only changes of this kind.")] = None,
) -> None:
    """List what is proposed, the most saving first, unless told otherwise."""
    several = status in (Status.ADOPTED, Status.ALL)
    found = call.gateway.get(PATH, state=None if several else status.value)["suggestions"]
    if status is Status.ADOPTED:
        found = [one for one in found if one["state"] in _ADOPTED]
    if kind is not None:
        found = [one for one in found if one["kind"] == kind.value]
    call.screen.rows(output.COLUMNS, [output.row(one) for one in found], whole=found)


@verb(app, "show", examples=("gatekeep suggest show S-3f9a12bc", "gatekeep suggest show S-3f9 -o json"))
def show(call: Call, suggestion_id: SuggestionId) -> None:
    """Show one whole: evidence, the change of the policy, what it would also let pass, checks, effect."""
    output.show(call.screen, call.gateway.get(_path(suggestion_id)))


@verb(app, "explain", examples=("gatekeep suggest explain S-3f9a12bc", "gatekeep suggest explain S-3f9 | cut -f2"))
def explain(call: Call, suggestion_id: SuggestionId) -> None:
    """Follow it by event numbers: evidence, counter-examples, rule, who accepted it, samples, effect."""
    life = call.gateway.get(_path(suggestion_id))
    rows = list(output.steps(life, _samples_of(call, life["id"])))
    call.screen.rows(output.STEPS, rows, whole=rows)
    call.screen.say(
        f"{len(life['events'])} events of evidence, the newest",
        following=f"gatekeep audit search suggestion:{visible(life['id'])}",
    )


@verb(app, "backtest", examples=("gatekeep suggest backtest S-3f9a12bc",))
def backtest(call: Call, suggestion_id: SuggestionId) -> int | None:
    """Replay history under today's and the proposed policy; exit 8 when it does not pass."""
    found = call.gateway.post(f"{_path(suggestion_id)}/backtest", {}, limit_s=_RUN_SECONDS)
    if call.screen.format is not Format.TABLE:
        call.screen.document(found)
    else:
        call.screen.rows(output.MATRIX, output.matrix(found))
        for line in words.backtest_lines(found):
            call.screen.say(visible(line))
    return None if found["passed"] else Exit.CHECK_FAILED


@verb(
    app,
    "accept",
    examples=(
        'gatekeep suggest accept S-3f9a12bc --reason "never once denied"',
        'gatekeep suggest accept S-3f9a12bc --narrower --reason "web-1 first"',
        'gatekeep suggest accept S-3f9 --yes --digest 9c41d07be2aa --reason "read" --code-file code',
    ),
)
def accept(  # noqa: PLR0913 - one for each option of the verb
    call: Call,
    suggestion_id: SuggestionId,
    *,
    reason: Reason = "",
    narrower: Annotated[
        bool, typer.Option("--narrower", help="Its narrower form instead.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; needs --digest.")] = False,
    digest: Annotated[
        str, typer.Option("--digest", help="First 12 digits or more of what was read.")
    ] = "",
    code_file: CodeFile = None,
) -> None:
    """Accept what you are shown: the whole change comes first, then the question.

    What loosens takes a code from your authenticator, and somebody else who accepts it, too.
    """
    wanted = Yes(reason, narrower=narrower, yes=yes, digest=digest, code_file=code_file)
    accept_shown(call, _path(suggestion_id), wanted)


@verb(app, "dismiss", examples=('gatekeep suggest dismiss S-3f9a12bc --reason "too wide"',))
def dismiss(call: Call, suggestion_id: SuggestionId, *, reason: Reason = "") -> None:
    """Say no: it stays away until its evidence has doubled."""
    _must_say_why(reason)
    came = call.gateway.post(f"{_path(suggestion_id)}/dismiss", {"reason": reason})
    told_of(call, came)


@verb(app, "snooze", examples=("gatekeep suggest snooze S-3f9a12bc --for 14d",))
def snooze(
    call: Call,
    suggestion_id: SuggestionId,
    *,
    lasts: Annotated[str, typer.Option("--for", help="How long: 14d.")],
    reason: Reason = "",
) -> None:
    """Put it off: it comes back by itself."""
    until_us = SystemClock().wall_us() + seconds(lasts) * _US
    body = {"until_us": until_us, "reason": reason}
    told_of(call, call.gateway.post(f"{_path(suggestion_id)}/snooze", body))


@verb(app, "effect", examples=("gatekeep suggest effect S-3f9a12bc",))
def effect(call: Call, suggestion_id: SuggestionId) -> None:
    """What it did since it came into force: forecast beside actual, samples, incidents."""
    life = call.gateway.get(_path(suggestion_id))
    rows = [{"name": name, "value": value} for name, value in words.effect_rows(life)]
    call.screen.rows(output.EFFECT, rows, whole=life["effect"])
    if not rows:
        call.screen.say(words.NO_EFFECT)
    call.screen.say(visible(words.standing(life)))


@verb(app, "revert", examples=('gatekeep suggest revert S-3f9a12bc --reason "an incident"',))
def revert(
    call: Call,
    suggestion_id: SuggestionId,
    *,
    reason: Reason = "",
    code_file: CodeFile = None,
) -> None:
    """Take it back at once: the policy is as it was before.

    One person suffices, unless that lets more pass: a rule that asks more takes two persons, each
    with a code.
    """
    _must_say_why(reason)
    take_back(call, _path(suggestion_id), reason, code_file)


@verb(app, "samples", examples=("gatekeep suggest samples", "gatekeep suggest samples --all"))
def samples(
    call: Call,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Those that are answered, too.")] = False,
) -> None:
    """List what adopted rules let pass and somebody is to look at, oldest first."""
    which = "all" if everything else "unanswered"
    found = call.gateway.get(SAMPLES, which=which)["samples"]
    call.screen.rows(output.SAMPLES, found, whole=found)


@verb(
    app,
    "answer",
    examples=(
        "gatekeep suggest answer M-190001 right",
        'gatekeep suggest answer M-190001 wrong --reason "not that table"',
    ),
)
def answer(
    call: Call,
    sample_id: Annotated[str, typer.Argument(help="The sample's id.")],
    said: Annotated[Answer, typer.Argument(help="Was it right that it passed?")],
    *,
    reason: Reason = "",
) -> None:
    """Say whether it was right; one that was wrong takes its rule back."""
    if said is Answer.WRONG:
        _must_say_why(reason)
    if not _ID.fullmatch(sample_id):
        raise Stop(f"{sample_id!r} is not the id of a sample", code=Exit.NOT_FOUND)
    done = call.gateway.post(f"{SAMPLES}/{sample_id}", {"answer": said.value, "reason": reason})
    if call.screen.format is not Format.TABLE:
        call.screen.document(done)
    call.screen.say(
        f"{'●' if said is Answer.RIGHT else '■'} {visible(done['id'])} was {said.value}",
        following=f"gatekeep suggest effect {visible(done['suggestion'])}",
    )


@verb(app, "run", examples=("gatekeep suggest run",))
def run(call: Call) -> int | None:
    """Look for suggestions and check on the adopted ones now, as each hour by itself."""
    report = call.gateway.post(f"{PATH}/run", {}, limit_s=_RUN_SECONDS)
    if call.screen.format is not Format.TABLE:
        call.screen.document(report)
    else:
        for name in ("proposed", "withdrawn", "reverted"):
            for one in report[name]:
                call.screen.data(f"{visible(one)}\t{name}")
    call.screen.say(visible(words.run_line(report)), following="gatekeep suggest ls")
    return Exit.CHECK_FAILED if report["stopped"] else None


def is_suggestion(thing: str) -> bool:
    """Whether that is how a suggestion is called; a session's code is in capitals, and shorter."""
    return _WHOLE_ID.fullmatch(thing) is not None


def _path(suggestion_id: str) -> str:
    """The address of a suggestion. Raises Stop for what none can be called."""
    wanted = suggestion_id.strip()
    if not _ID.fullmatch(wanted):
        raise Stop(
            f"{suggestion_id!r} is not the id of a suggestion",
            advice="gatekeep suggest ls lists them",
            code=Exit.NOT_FOUND,
        )
    return f"{PATH}/{wanted}"


def _must_say_why(reason: str) -> None:
    if not reason.strip():
        raise Stop("--reason is empty", advice='--reason "too wide"', code=Exit.USAGE)


def _samples_of(call: Call, suggestion_id: str) -> list[dict[str, Any]]:
    """Its samples; none for whoever may not look at samples."""
    try:
        found = call.gateway.get(SAMPLES, which="all")["samples"]
    except Stop as stop:
        if stop.code is not Exit.NOT_ALLOWED:
            raise
        call.screen.say(f"samples are left out: {visible(stop.what)}")
        return []
    return [one for one in found if one["suggestion"] == suggestion_id]
