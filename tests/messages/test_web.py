"""The words of the pages: times, ends, buttons, and templates without prose of their own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gatekeep.messages import web as words
from gatekeep.messages import web_requests as said
from gatekeep.web.pages.templating import STYLE, TEMPLATES


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (45, "45 s"), (72, "1 min 12 s"), (900, "15 min"), (7200, "2 h"), (5400, "1 h 30 min")],
)
def test_lengths_of_time(seconds: int, text: str) -> None:
    """As people say them."""
    assert words.lasting(seconds) == text


def test_late_says_who_and_when() -> None:
    """The sentence of the interface page, for each end."""
    at = 1_700_000_000_000_000
    ends = {
        state: said.late(said.Ended(state, "bob", at, at))
        for state in ("denied", "approved", "expired", "withdrawn")
    }
    assert ends["denied"] == "bob denied this at 22:13:20. Nothing changed."
    assert ends["approved"] == "bob approved this at 22:13:20. Nothing changed."
    assert all(text.endswith("Nothing changed.") for text in ends.values())


@pytest.mark.parametrize("scope", ["once", "template", "session", "access"])
@pytest.mark.parametrize("ahead", [True, False])
def test_each_button_names_its_reach(scope: str, *, ahead: bool) -> None:
    """No two buttons of a page say the same; one that only votes says that it votes."""
    reach = said.Reach("statement", "DELETE", "alice", "orders", "S-1", "r", 1800, ahead)
    texts = {
        one: said.approve_button(one, reach, decides=True)
        for one in ("once", "template", "session", "access")
    }
    assert len(set(texts.values())) == 4
    assert texts[scope].startswith("Approve and ")
    assert said.approve_button(scope, reach, decides=False).startswith("Vote to approve: ")
    assert "alice" in said.consequence(scope, reach) or scope in {"once", "session"}


def test_hostile_words_are_inert() -> None:
    """Names and reasons with escapes and endless length are printable and cut."""
    bad = "\x1b[2J\u202e" + "x" * 10_000
    for text in (
        said.headline(bad, "statement", bad, bad), said.vote_line(bad, "approve", [bad], 0),
        said.ended(said.Ended("denied", bad, 0, 0, reason=bad, outcome=bad)), said.own([bad]),
        said.tags([bad]), words.slack_linked(bad, bad, bad, 1), words.bad_request(bad).what,
        said.named([bad]),
    ):  # fmt: skip
        assert text.isprintable()
        assert len(text) < 2_000


_FILES = sorted(TEMPLATES.glob("*.html"))
_IDS = [path.name for path in _FILES]


@pytest.mark.parametrize("path", _FILES, ids=_IDS)
def test_templates_hold_no_prose(path: Path) -> None:
    """What people read comes from messages: beside tags and expressions there is only punctuation."""
    text = path.read_text()
    bare = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|<[^<>]*>", " ", text, flags=re.DOTALL)
    assert re.findall(r"[A-Za-z]{2,}", bare) == []


@pytest.mark.parametrize("path", _FILES, ids=_IDS)
def test_templates_keep_the_policy(path: Path) -> None:
    """No scripts, no handlers, no styles of their own, nothing taken for safe."""
    text = path.read_text().lower()
    for bad in ("|safe", "| safe", "<script", "style=", "hx-", "javascript:", "autoescape", "http://", "https://"):  # fmt: skip
        assert bad not in text
    assert not re.search(r"\son[a-z]+=", text)
    assert re.search(r'action="[^"/]', text) is None


def test_the_style_is_small_and_fetches_nothing() -> None:
    """At most 20 kB, and it loads nothing from anywhere."""
    text = STYLE.read_text()
    assert len(text.encode()) <= 20_000
    assert "url(" not in text
    assert "@import" not in text


_PAIRS = [
    ("--ink", "--bg", 4.5), ("--ink2", "--bg", 4.5), ("--ink3", "--bg", 4.5), ("--ink3", "--sunken", 4.5),
    ("--ink2", "--raised", 4.5), ("--ink3", "--raised", 4.5), ("--link", "--bg", 4.5),
    ("--allow", "--allow-tint", 4.5), ("--ask", "--ask-tint", 4.5), ("--deny", "--deny-tint", 4.5),
    ("--note", "--note-tint", 4.5), ("--on-go", "--go", 4.5), ("--control", "--bg", 3.0), ("--focus", "--bg", 3.0),
]  # fmt: skip


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "back", "least"), _PAIRS)
def test_contrast(theme: int, front: str, back: str, least: float) -> None:
    """Text is read on its ground in both themes (WCAG 2.2 AA), controls are seen."""
    blocks = re.findall(r":root \{(.*?)\}", STYLE.read_text(), flags=re.DOTALL)
    tokens = dict(re.findall(r"(--[a-z0-9-]+):\s*(#[0-9a-f]{6})", blocks[theme]))
    lighter, darker = sorted((luminance(tokens[front]), luminance(tokens[back])), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= least


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb` (WCAG)."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
