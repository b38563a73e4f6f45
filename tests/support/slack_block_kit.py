"""The limits of Block Kit, as Slack enforces them: what it would refuse, this refuses.

Known are the blocks that are used; any other is a fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

MOST_BLOCKS = 50
MOST_IN_VIEW = 100
TEXT = 3000
HEADER = 150
FIELD = 2000
BUTTON = 75
VALUE = 2000
URL = 3000
TITLE = 24
METADATA = 3000
ALL_TEXT = 13_000
"""About what all texts of one message may hold together."""
ID = 255

_RICH = {
    "rich_text_section": {"text", "date", "link", "user", "channel", "emoji", "broadcast"},
    "rich_text_quote": {"text", "date", "link", "user", "channel", "emoji", "broadcast"},
    "rich_text_preformatted": {"text", "link"},
}
_STYLES = {"primary", "danger"}


def faults_of(blocks: Any, *, most: int = MOST_BLOCKS) -> list[str]:
    """Everything that is wrong with the blocks of a message or view."""
    if not isinstance(blocks, list):
        return ["blocks are no list"]
    found = [f"{len(blocks)} blocks"] if len(blocks) > most else []
    ids: set[str] = set()
    for number, block in enumerate(blocks):
        found += [f"block {number}: {fault}" for fault in _block(block)]
        if isinstance(block, Mapping) and (given := block.get("block_id")):
            found += [f"block {number}: id twice"] if given in ids else []
            ids.add(given)
    if sum(map(len, texts_of(blocks))) > ALL_TEXT:
        found.append("msg_blocks_too_long")
    return found


def faults_of_view(view: Any) -> list[str]:
    """Everything that is wrong with a dialogue."""
    if not isinstance(view, Mapping) or view.get("type") != "modal":
        return ["no modal"]
    found = [
        f"{name}: {fault}"
        for name in ("title", "submit", "close")
        for fault in _text(view.get(name), TITLE, plain=True)
    ]
    if len(view.get("private_metadata", "")) > METADATA:
        found.append("private_metadata too long")
    if not 0 < len(view.get("callback_id", "")) <= ID:
        found.append("callback_id")
    return found + faults_of(view.get("blocks"), most=MOST_IN_VIEW)


def texts_of(part: Any) -> list[str]:
    """Every text in blocks that a person reads, in order."""
    if isinstance(part, Mapping):
        own = [part["text"]] if isinstance(part.get("text"), str) else []
        return own + [one for value in part.values() for one in texts_of(value)]
    if isinstance(part, list):
        return [one for value in part for one in texts_of(value)]
    return []


def _block(block: Any) -> Iterator[str]:
    if not isinstance(block, Mapping):
        yield "no object"
        return
    kinds = {
        "header": _header, "section": _section, "rich_text": _rich, "actions": _actions,
        "input": _input,
    }  # fmt: skip
    check = kinds.get(block.get("type", ""))
    yield from check(block) if check else [f"unknown type {block.get('type')}"]


def _header(block: Mapping[str, Any]) -> Iterator[str]:
    yield from _text(block.get("text"), HEADER, plain=True)


def _section(block: Mapping[str, Any]) -> Iterator[str]:
    fields = block.get("fields")
    if "text" not in block and not fields:
        yield "neither text nor fields"
    if "text" in block:
        yield from _text(block["text"], TEXT)
    if fields is not None and not 1 <= len(fields) <= 10:
        yield f"{len(fields)} fields"
    for field in fields or ():
        yield from _text(field, FIELD)


def _rich(block: Mapping[str, Any]) -> Iterator[str]:
    elements = block.get("elements")
    if not isinstance(elements, list) or not elements:
        yield "no elements"
        return
    for element in elements:
        allowed = _RICH.get(element.get("type"))
        if allowed is None:
            yield f"rich text holds {element.get('type')}"
            continue
        if not element.get("elements"):
            yield "an empty element"
        for part in element.get("elements", ()):
            if part.get("type") not in allowed:
                yield f"{element['type']} holds {part.get('type')}"
            yield from _part(part)


def _part(part: Mapping[str, Any]) -> Iterator[str]:
    if part.get("type") == "text":
        if set(part) - {"type", "text", "style"}:
            yield f"unknown keys {sorted(part)}"
        if not isinstance(part.get("text"), str) or not 0 < len(part["text"]) <= TEXT:
            yield f"a text of {len(part.get('text') or '')} characters"
    elif part.get("type") == "date":
        if not isinstance(part.get("timestamp"), int) or "{" not in part.get("format", ""):
            yield "a date without timestamp or format"
    else:
        yield f"{part.get('type')} makes markup"


def _actions(block: Mapping[str, Any]) -> Iterator[str]:
    elements = block.get("elements", [])
    if not 1 <= len(elements) <= 25:
        yield f"{len(elements)} elements"
    if len({one.get("action_id") for one in elements}) != len(elements):
        yield "an action_id twice"
    for one in elements:
        if one.get("type") != "button":
            yield f"element {one.get('type')}"
        yield from _text(one.get("text"), BUTTON, plain=True)
        if len(one.get("value", "")) > VALUE or len(one.get("url", "")) > URL:
            yield "value or url too long"
        if "style" in one and one["style"] not in _STYLES:
            yield f"style {one['style']}"


def _input(block: Mapping[str, Any]) -> Iterator[str]:
    yield from _text(block.get("label"), FIELD, plain=True)
    element = block.get("element", {})
    if element.get("type") != "plain_text_input" or element.get("max_length", 1) > TEXT:
        yield "no input of plain text"


def _text(text: Any, most: int, *, plain: bool = False) -> Iterator[str]:
    if not isinstance(text, Mapping) or text.get("type") not in {"plain_text", "mrkdwn"}:
        yield "no text object"
        return
    if plain and text["type"] != "plain_text":
        yield "not plain_text"
    if not 0 < len(text.get("text", "")) <= most:
        yield f"a text of {len(text.get('text', ''))} characters, at most {most}"
