"""The policy over the API: its history, the text of a version, and putting the files into force.

What may rule is decided by the policy book; here it is asked for, and its answer worded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson
from aiohttp import web

from gatekeep.errors import ClientFault
from gatekeep.gate.policy_ports import PolicyRecord, PolicyWish
from gatekeep.gate.ports import Judgement
from gatekeep.web.access import NEEDS, POLICY_APPLY, POLICY_READ, PRINCIPAL, demand
from gatekeep.web.hosts import problem
from gatekeep.web.shapes import json_bytes

MAX_REASON_CHARS: Final = 500
MAX_VERSIONS: Final = 1000
_LISTED: Final = 100
_SHOWN_REASONS: Final = 5
_NAME: Final = re.compile(r"active|[0-9a-f]{4,64}")


def add_policy_routes(app: web.Application) -> None:
    """The addresses of the policy."""
    app.router.add_get("/v1/policy/versions", versions)
    app.router.add_get("/v1/policy/versions/{name}", version)
    app.router.add_post("/v1/policy/apply", apply)


async def versions(request: web.Request) -> web.Response:
    """What was put into force or held back, newest first, without texts."""
    demand(request, POLICY_READ)
    text = request.query.get("limit", str(_LISTED))
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MAX_VERSIONS):
        raise ClientFault(f"limit is a whole number from 1 to {MAX_VERSIONS}")
    book = request.app[NEEDS].policies
    active = request.app[NEEDS].desk.version
    rows = [_shown(record, active) for record in book.history(int(text))]
    for row in _repeats(rows):
        row["state"] = "before"
    return _answer({"versions": rows, "single_person": book.single_person})


async def version(request: web.Request) -> web.Response:
    """One version with its texts: `active`, or the beginning of a digest."""
    demand(request, POLICY_READ)
    name = request.match_info["name"]
    advice = "gatekeep policy history lists the versions"
    found = request.app[NEEDS].policies.named(name) if _NAME.fullmatch(name) else ()
    digests = {record.digest for record in found}
    if not digests:
        return problem(404, f"no policy version {name[:64]}", advice=advice)
    if len(digests) > 1:
        return problem(404, f"{name} begins more than one version", advice="name more digits")
    shown = _shown(found[0], request.app[NEEDS].desk.version)
    return _answer({**shown, "texts": dict(found[0].texts)})


async def apply(request: web.Request) -> web.Response:
    """Put the policy's files into force; 403 with the reasons when two people must agree."""
    judgement = demand(request, POLICY_APPLY)
    answer = await request.app[NEEDS].policies.apply(
        wish_of(request, judgement, "apply", await _reason(request))
    )
    if answer["held"]:
        return _held(answer)
    return _answer(dict(answer))


def wish_of(request: web.Request, judgement: Judgement, via: str, reason: str = "") -> PolicyWish:
    """The caller's wish that the files rule, with the decision that let them ask."""
    principal = request[PRINCIPAL]
    decision = orjson.loads(judgement.envelope_json)
    return PolicyWish(principal.name, via, principal.os_user, reason, decision)


async def _reason(request: web.Request) -> str:
    raw = await request.read()
    try:
        wish = orjson.loads(raw) if raw else {}
    except orjson.JSONDecodeError:
        raise ClientFault("the body is not JSON") from None
    reason = wish.get("reason", "") if isinstance(wish, dict) else None
    if not isinstance(reason, str) or len(reason) > MAX_REASON_CHARS:
        raise ClientFault(f"reason is a text of at most {MAX_REASON_CHARS} characters")
    return reason


def _held(answer: Mapping[str, Any]) -> web.Response:
    reasons = list(answer["held"])
    shown = "; ".join(reasons[:_SHOWN_REASONS])
    more = len(reasons) - _SHOWN_REASONS
    return problem(
        403,
        "this may loosen the policy, which needs two people, and a second one cannot agree yet",
        why=shown + (f"; and {more} more" if more > 0 else "") + f"; {answer['policy'][:7]} stays",
        advice="gatekeep policy diff shows it; with policy.single_person: true one person decides",
    )


def _shown(record: PolicyRecord, active: str) -> dict[str, Any]:
    rules_now = bool(active) and record.digest.startswith(active)
    state = "held" if record.held else "active" if rules_now else "before"
    facts = {key: value for key, value in record.facts.items() if key != "decision"}
    return {
        **facts,
        "digest": record.digest,
        "state": state,
        "at_us": record.activated_us,
        "files": sorted(record.texts),
    }


def _repeats(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Earlier activations of the version that is active now."""
    return [row for row in rows if row["state"] == "active"][1:]


def _answer(value: Any) -> web.Response:
    return web.Response(body=json_bytes(value), content_type="application/json")
