"""Documents: whatever stands in a file, the answer is a value or one readable error."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from gatekeep.documents import (
    FilePath,
    everything,
    first_with_rest,
    nearest,
    parse_document,
    read_document,
    validated,
)
from gatekeep.errors import SettingsError

HOSTILE = [
    "? [a]\n: b",
    "a: !!timestamp 'x'",
    "a: !!float x",
    "a: !!int 0x_",
    "a: !!binary 'é'",
    "a: !!python/name:os.system",
    "a: !unknown b",
    "[" * 5000,
    "- " * 3000,
    "a: " + "[" * 2000 + "]" * 2000,
    "a: " + "9" * 5000,
    "\x00",
    "a: *nowhere",
    "{<<: 5}",
    "a: 1\na: 2",
    "a: {b: 1, b: 2}",
    "\t- x",
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:20]))
def test_a_hostile_document_is_one_readable_error(text: str) -> None:
    """No traceback of the loader, no code run, nothing of the text repeated at length."""
    with pytest.raises(SettingsError) as caught:
        parse_document(text, "x.yaml")
    assert caught.value.file == "x.yaml"
    assert caught.value.fix
    assert len(str(caught.value)) < 400


@given(
    st.text(alphabet=st.sampled_from("ab:-?[]{}&*!|>'\"#%@,\n \t\x00\u202e0129.e<~"), max_size=60)
)
def test_any_text_is_a_value_or_an_error(text: str) -> None:
    """The loader's own exceptions never come through."""
    with contextlib.suppress(SettingsError):
        parse_document(text, "x.yaml")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("off", "off"), ("no", "no"), ("true", True), ("False", False), ("010", "010"),
        ("12:30:45", "12:30:45"), ("1_000", "1_000"), ("2026-01-01", "2026-01-01"),
        ("12", 12), ("-3", -3), ("1.5", 1.5), ("1e3", 1000.0), ("null", None), ("~", None),
    ],
)  # fmt: skip
def test_plain_words_are_read_as_they_look(written: str, read: object) -> None:
    """YAML 1.1's surprises are off: Norway stays a country, a time of day no number."""
    found = parse_document(written, "x.yaml")
    assert (found, type(found)) == (read, type(read))


def test_files_that_are_no_text_are_named(tmp_path: Path) -> None:
    """Missing, a directory, not UTF-8, or far too large."""
    odd, huge = tmp_path / "odd", tmp_path / "huge"
    odd.write_bytes(b"a: \xff")
    huge.write_bytes(b"#" * (4 * 1024 * 1024 + 1))
    for file in (odd, huge, tmp_path, tmp_path / "none"):
        with pytest.raises(SettingsError) as caught:
            read_document(file)
        assert caught.value.file == str(file)
        assert caught.value.fix


class Sample(BaseModel):
    """A model with a path."""

    model_config = ConfigDict(extra="forbid")

    where: FilePath = Path("x")
    size: int = 0


def test_paths_that_no_file_can_have_are_refused() -> None:
    """At once and by name, not as an error of the system later."""
    for path in ("a\0b", "~nobody-has-this-name/x"):
        with pytest.raises(SettingsError) as caught:
            validated(Sample, {"where": path}, "x.yaml", prefix="items[3].")
        assert caught.value.key == "items[3].where"
        assert "path" in caught.value.fix
    assert validated(Sample, {"where": "~/x"}, "x.yaml").where == Path.home() / "x"


def test_each_fault_is_told_once() -> None:
    """Errors that already carry others are joined without doubles."""
    first, second, third = (SettingsError(name) for name in "abc")
    first.also = (second,)
    joined = first_with_rest([first, second, third])
    assert everything(joined) == (first, second, third)
    assert everything(first_with_rest(everything(joined))) == (first, second, third)


def test_the_nearest_word_is_proposed() -> None:
    """One near word, else all of them."""
    assert nearest("prot", ["port", "host"]) == "did you mean port?"
    assert nearest("zzz", ["port", "host"]) == "use one of: host, port"
