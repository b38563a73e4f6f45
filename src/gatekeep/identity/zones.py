"""Time zones of the tz database, as files name them."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, StringConstraints


def known_zone(name: str) -> str:
    """The name itself. Raises ValueError for a zone that this machine does not know."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("is no time zone | write one such as Europe/Berlin") from None
    return name


Zone = Annotated[str, StringConstraints(strict=True, max_length=64), AfterValidator(known_zone)]
