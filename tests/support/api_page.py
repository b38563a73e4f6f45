"""Writes docs/api.md from the table of the API's operations and their models.

`python tests/support/api_page.py` writes it; an architecture test compares.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gatekeep.web.approvals import OPERATIONS
from gatekeep.web.openapi import MEANINGS, document
from gatekeep.web.operations import Operation

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api.md"

_HEAD = """\
# The API of approvals and suggestions

Made from the table in `src/gatekeep/web/approvals.py` by `make docs`, like the OpenAPI 3.1 document
that a gateway serves at `/api/v1/openapi.json`. The older addresses stand in `docs/cli.md`; all of
them are served below `/api`, too.

**Where.** On the Unix socket of the gateway, and on its HTTP door. The HTTP door has no TLS: it
takes tokens from this machine, and through a proxy that the settings name.

**Who.** `Authorization: Bearer TOKEN` with an access token (`gatekeep tokens new`) acts as the
principal of that token, and nobody else: 401 for one that is unknown, expired or revoked, 429 once
an address has sent ten wrong ones within five minutes (tokens that have worked from there before go
on). On the socket no token is needed: there the kernel says who calls. Tokens that were made by a
build from before this API work at the other doors only; make new ones.

**What holds everywhere.** JSON in and out; a body is announced as `application/json`. Unknown
fields and parameters are faults. Times are microseconds UTC, 0 where something has not happened. No
GET changes anything. What one may not see is 404, like what does not exist. A vote carries the
digest of what was shown; with another one it is 409 and changes nothing; so does the acceptance of a suggestion. Whoever reads
what others asked, or suggestions, leaves an `audit.read` event, durable before the answer.

"""

_ERRORS = """
Errors are `{"error": {"what", "why", "try"}}`: what was not done, why, and the thing to do.

## What is sent
"""


def page() -> str:
    """The whole page."""
    described = document(OPERATIONS)
    parts = [_HEAD, "| address | takes | gives | whose |\n|---|---|---|---|\n"]
    parts += [_row(one) for one in OPERATIONS]
    parts += ["\n## Statuses\n\n| status | meaning |\n|---|---|\n"]
    parts += [f"| {status} | {meaning} |\n" for status, meaning in sorted(MEANINGS.items())]
    parts.append(_ERRORS)
    taken = dict.fromkeys(one.takes for one in OPERATIONS)
    parts += [_model(one) for one in taken if one is not None]
    parts += ["\n## What is answered\n"]
    answers = described["components"]["schemas"]
    for name in sorted(one for one in answers if one.endswith("Shape") and one != "ErrorShape"):
        parts.append(_schema(name, answers[name]))
    return "".join(parts)


def _row(one: Operation) -> str:
    takes = f"[{one.takes.__name__}](#{one.takes.__name__.lower()})" if one.takes else "nothing"
    gives = f"{one.status} [{one.gives.__name__}](#{one.gives.__name__.lower()})"
    return f"| `{one.method} /api{one.path}`: {one.summary} | {takes} | {gives} | {one.action} |\n"


def _model(model: Any) -> str:
    return _schema(model.__name__, model.model_json_schema(), inspect.getdoc(model) or "")


def _schema(name: str, schema: dict[str, Any], meaning: str = "") -> str:
    said = " ".join((meaning or schema.get("description", "")).split())
    lines = [f"\n### {name}\n\n{said}\n"]
    fields = schema.get("properties", {})
    if fields:
        lines.append("\n| field | type | default |\n|---|---|---|\n")
    required = set(schema.get("required", ()))
    for field, about in fields.items():
        default = "required" if field in required else f"`{json.dumps(about.get('default'))}`"
        note = f" {about['description']}" if about.get("description") else ""
        lines.append(f"| `{field}` | {_type(about, schema)}{note} | {default} |\n")
    return "".join(lines)


def _type(about: dict[str, Any], schema: dict[str, Any]) -> str:
    """A type in a word, with what it may be."""
    if "$ref" in about:
        name = about["$ref"].rpartition("/")[2]
        inner = schema.get("$defs", {}).get(name)
        return _type(inner, schema) if inner and "enum" in inner else name
    if "anyOf" in about:
        return " or ".join(_type(one, schema) for one in about["anyOf"])
    if "enum" in about:
        return " \\| ".join(map(str, about["enum"]))
    kind = str(about.get("type", "any"))
    if kind == "array":
        return f"array of {_type(about.get('items', {}), schema)}"
    bounds = [
        f"{word} {about[key]}"
        for key, word in (
            ("minLength", "from"), ("maxLength", "to"), ("minimum", "≥"), ("maximum", "≤"),
        )
        if key in about
    ]  # fmt: skip
    return f"{kind} ({', '.join(bounds)})" if bounds else kind


def main(write: Callable[[str], object] = PAGE.write_text) -> None:
    """Write the page."""
    write(page())


if __name__ == "__main__":
    main()
