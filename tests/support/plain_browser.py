"""A browser without scripts: keeps cookies, reads forms out of pages, and sends them as one would.

Refuses what a browser would refuse (a required field left empty); judges nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

import aiohttp

_VOID = {"meta", "link", "input", "br", "hr", "img"}


@dataclass
class Element:
    """One element of a page, with what is inside."""

    tag: str
    attributes: dict[str, str]
    inside: list[Element | str] = field(default_factory=list)

    def all(self, tag: str = "", **attributes: str) -> list[Element]:
        """Every element below, in order, with this tag and these attributes."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        return [
            one for one in self._below()
            if (not tag or one.tag == tag)
            and all(one.attributes.get(name) == value for name, value in wanted.items())
        ]  # fmt: skip

    def one(self, tag: str = "", **attributes: str) -> Element:
        """The only one."""
        (found,) = self.all(tag, **attributes)
        return found

    @property
    def text(self) -> str:
        """What is read in it."""
        return "".join(one if isinstance(one, str) else one.text for one in self.inside)

    def _below(self) -> Iterator[Element]:
        for one in self.inside:
            if isinstance(one, Element):
                yield one
                yield from one._below()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].inside.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self._open[-1].tag == tag, f"</{tag}> where <{self._open[-1].tag}> is open"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        self._open[-1].inside.append(data)

    def whole(self) -> Element:
        assert self._open == [self.root], f"<{self._open[-1].tag}> is never closed"
        return self.root


def read_page(text: str) -> Element:
    """The page as a tree; a page whose tags do not fit together is a fault."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader.whole()


@dataclass
class Shown:
    """What the browser shows now."""

    status: int
    path: str
    headers: Any
    text: str

    @property
    def page(self) -> Element:
        """Its tree."""
        return read_page(self.text)

    @property
    def heading(self) -> str:
        """The page's heading."""
        return self.page.one("h1").text.strip()

    @property
    def alert(self) -> str:
        """What is said loudest, empty for nothing."""
        found = self.page.all(role="alert")
        return found[0].text.strip() if found else ""

    @property
    def words(self) -> str:
        """Everything that is read, blanks folded."""
        return " ".join(self.page.one("main").text.split())


class PlainBrowser:
    """One browser of one person."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.cookies: dict[str, str] = {}
        self.extra: dict[str, str] = {}
        self.now = Shown(0, "", {}, "")
        self._http = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())

    async def close(self) -> None:
        """Close it."""
        await self._http.close()

    async def get(self, path: str, site: str = "none", **headers: str) -> Shown:
        """Open an address; redirects are followed. `site`: where the link was (`cross-site` …)."""
        sent = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Accept": "text/html"}
        return await self._load("GET", path, None, {**sent, **headers})

    async def post(self, path: str, fields: list[tuple[str, str]], **headers: str) -> Shown:
        """Send a form as a page of ours would."""
        sent = {
            "Origin": self.base, "Sec-Fetch-Site": "same-origin", "Accept": "text/html",
            "Content-Type": "application/x-www-form-urlencoded",
        }  # fmt: skip
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        kept = {name: value for name, value in sent.items() if value}
        return await self._load("POST", path, urlencode(fields), kept)

    async def press(self, button: str, **filled: str | bool) -> Shown:
        """Press the button with this text, having filled in its form."""
        form, pressed = self._form_of(button)
        fields = _fields(form, filled)
        if "name" in pressed.attributes:
            fields.append((pressed.attributes["name"], pressed.attributes["value"]))
        return await self.post(form.attributes["action"], fields)

    def _form_of(self, button: str) -> tuple[Element, Element]:
        for form in self.now.page.all("form"):
            for one in form.all("button"):
                if button in (one.text.strip(), one.attributes.get("aria-label")):
                    return form, one
        raise AssertionError(f"no button {button!r}: {self.buttons()}")

    def buttons(self) -> list[str]:
        """The texts of all buttons."""
        return [one.text.strip() for one in self.now.page.all("button")]

    async def _load(
        self, method: str, path: str, body: str | None, headers: dict[str, str]
    ) -> Shown:
        for _ in range(5):
            cookies = self.cookies
            if headers.get("Sec-Fetch-Site") == "cross-site":
                cookies = {}  # SameSite=Strict
            cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
            sent = {**headers, **self.extra, **({"Cookie": cookie} if cookie else {})}
            answer = await self._http.request(
                method, self.base + path, data=body, headers=sent, allow_redirects=False
            )
            text = await answer.text()
            for name, morsel in answer.cookies.items():
                if morsel.value and morsel["max-age"] != "0":
                    self.cookies[name] = morsel.value
                else:
                    self.cookies.pop(name, None)
            self.now = Shown(answer.status, path, answer.headers, text)
            if answer.status not in (301, 302, 303, 307, 308):
                return self.now
            method, body, path = "GET", None, answer.headers["Location"]
            assert path.startswith("/"), path
            headers = {n: headers[n] for n in ("Sec-Fetch-Site", "Accept") if n in headers}
        raise AssertionError("redirects without end")


def _fields(form: Element, filled: dict[str, str | bool]) -> list[tuple[str, str]]:
    """The form's fields as they would be sent. Raises AssertionError for what a browser refuses."""
    left = dict(filled)
    fields: list[tuple[str, str]] = []
    for control in form.all("input") + form.all("textarea"):
        name, kind = control.attributes["name"], control.attributes.get("type", "text")
        value = control.text if control.tag == "textarea" else control.attributes.get("value", "")
        if kind in {"radio", "checkbox"}:
            wanted = left.get(f"{name}_{value}", left.get(name, "checked" in control.attributes))
            ticked = wanted if isinstance(wanted, bool) else wanted == value
            assert ticked or "required" not in control.attributes, f"{name} must be ticked"
            if ticked:
                fields.append((name, value))
            continue
        value = str(left.get(name, value))
        assert value or "required" not in control.attributes, f"{name} must be filled in"
        fields.append((name, value))
    known = {control.attributes["name"] for control in form.all("input") + form.all("textarea")}
    unknown = [one for one in left if one not in known and one.partition("_")[0] not in known]
    assert not unknown, f"no such field: {unknown}"
    return fields
