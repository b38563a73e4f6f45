"""The templates and the style sheet, read once at the start. No words and no rules live here."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gatekeep.messages import suggestions as loop_told
from gatekeep.messages import web as words
from gatekeep.messages import web_requests as said
from gatekeep.messages import web_suggestions as loop_said

_PLACE: Final = Path(__file__).resolve().parents[1]
TEMPLATES: Final = _PLACE / "templates"
STYLE: Final = _PLACE / "static" / "app.css"
STYLE_PATH: Final = "/static/app.css"


class Templates:
    """Everything that is escaped on its way into a page: all of it."""

    def __init__(self) -> None:
        self.style = STYLE.read_bytes()
        self.style_link = f"{STYLE_PATH}?v={hashlib.sha256(self.style).hexdigest()[:12]}"
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(
            words=words, said=said, loop_said=loop_said, loop_told=loop_told,
            style_link=self.style_link,
        )  # fmt: skip

    def render(self, template: str, /, **values: Any) -> str:
        """One page, whole."""
        return self._environment.get_template(f"{template}.html").render(values)
