"""Every setting has its line in docs/settings.md, with variable, default and meaning."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic.fields import FieldInfo

from gatekeep.settings import leaves, load_settings, variable

ROOT = Path(__file__).parents[2]
LEAVES = {".".join(place): (place, field) for place, field in leaves()}


def rows() -> dict[str, list[str]]:
    """The lines of the settings table by key."""
    text = (ROOT / "docs" / "settings.md").read_text()
    text = text.split("## All settings")[1].split("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    return {cells[0].strip("`"): cells for cells in lines}


@pytest.mark.parametrize("key", sorted(LEAVES))
def test_each_setting_is_documented_as_it_is(key: str) -> None:
    """Variable, default and meaning in the document are those of the code."""
    place, field = LEAVES[key]
    cells = rows()[key]
    assert cells[1] == f"`{variable(place)}`"
    assert cells[2] == shown_default(field, cells[2])
    assert cells[3] == field.description


def test_nothing_else_is_documented() -> None:
    """A setting that is gone leaves the document too."""
    assert set(rows()) == set(LEAVES)


def test_the_example_file_names_every_setting_with_its_default(tmp_path: Path) -> None:
    """config/gatekeep.yaml loads as it is, and with every comment sign taken away."""
    text = (ROOT / "config" / "gatekeep.yaml").read_text()
    load_settings(ROOT / "config" / "gatekeep.yaml", {})
    opened = tmp_path / "gatekeep.yaml"
    opened.write_text(re.sub(r"^( *)#(?=[a-z])", r"\1", text, flags=re.MULTILINE))
    load_settings(opened, {})
    named = set(flat(yaml.safe_load(opened.read_text())))
    assert named == set(LEAVES)
    for key, value in flat(yaml.safe_load(opened.read_text())).items():
        default = LEAVES[key][1].default
        if key not in FREE and default is not None:
            assert value == default, key


#: Keys whose example shows something else than the default, which is empty or a place.
FREE = {
    "state_dir",
    "keys_dir",
    "targets",
    "principals",
    "policy.dir",
    "postgres.proxy_from",
    "http.allowed_hosts",
    "http.allowed_origins",
    "http.proxy_from",
    "webhooks.outgoing",
    "webhooks.incoming",
    "slack.channels",
}


def flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The leaves of a document by their dotted keys."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found


def shown_default(field: FieldInfo, cell: str) -> str:
    """The default as the document writes it; defaults that are made at run time say their own."""
    if field.default_factory is not None:
        return cell
    value = field.default
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if value == ():
        return "`[]`"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return f"`{value}`"
