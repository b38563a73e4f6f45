"""The five organisations, by name."""

from __future__ import annotations

from typing import Final

from bank import BANK
from data_company import DATA_COMPANY
from operations import OPERATIONS
from organisation import Organisation
from shop import SHOP
from startup import STARTUP

ALL: Final[tuple[Organisation, ...]] = (STARTUP, SHOP, BANK, DATA_COMPANY, OPERATIONS)


def named(name: str) -> Organisation:
    """The one of that name."""
    return next(one for one in ALL if one.name == name)
