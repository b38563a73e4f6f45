"""Sources are found where the setting says, in any of the shapes in which people have them."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from regression.schedule import scheduled, script
from regression.sources import INSIDE, SETTING, NoSourcesError, available, sources

SCHEDULE = "# comment\ntest: first\n\ntest: second third\nignore: second\n"
TEXT = b"\xc4 SET SESSION AUTHORIZATION bob; select 1;\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A source tree as small as can be."""
    inside = tmp_path / "postgresql-18.0" / INSIDE
    (inside / "sql").mkdir(parents=True)
    (inside / "data").mkdir()
    (inside / "expected").mkdir()
    (inside / "parallel_schedule").write_text(SCHEDULE)
    (inside / "sql" / "first.sql").write_bytes(TEXT)
    (inside / "data" / "one.data").write_text("1\n")
    (inside / "expected" / "first.out").write_text("never needed\n")
    return tmp_path / "postgresql-18.0"


def _archive(tree: Path) -> Path:
    archive = tree.with_suffix(".orig.tar.gz")
    with tarfile.open(archive, "w:gz") as opened:
        opened.add(tree, tree.name)
    return archive


def _repository(tree: Path) -> Path:
    git = shutil.which("git")
    if git is None:
        pytest.skip("git is not installed")
    identity = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.com"]
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-q", "-m", "all"]):
        subprocess.run([git, "-C", str(tree), *command], check=True)
    bare = tree.with_suffix(".git")
    subprocess.run([git, "clone", "-q", "--bare", str(tree), str(bare)], check=True)
    return bare


@pytest.mark.parametrize("shape", ["tree", "folder", "archive", "repository"])
def test_every_shape_gives_the_same(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: str
) -> None:
    """A source tree, its folder of tests, an archive, a bare repository; only what is needed."""
    made = {
        "tree": lambda: tree, "folder": lambda: tree / INSIDE,
        "archive": lambda: _archive(tree), "repository": lambda: _repository(tree),
    }[shape]()  # fmt: skip
    monkeypatch.setenv(SETTING, str(made))
    assert available(18) == ""
    got = sources(18, tmp_path / "got")
    found = sorted(str(path.relative_to(got)) for path in got.rglob("*") if path.is_file())
    assert found == ["data/one.data", "parallel_schedule", "sql/first.sql"]


def test_what_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong setting, a directory of something else, no archive: each has its reason."""
    monkeypatch.setenv(SETTING, str(tmp_path / "nowhere"))
    assert "does not exist" in available(18)
    with pytest.raises(NoSourcesError, match="does not exist"):
        sources(18, tmp_path / "got")
    (tmp_path / "other").mkdir()
    monkeypatch.setenv(SETTING, str(tmp_path / "other"))
    with pytest.raises(NoSourcesError, match="has no src/test/regress/sql"):
        sources(18, tmp_path / "got")
    (tmp_path / "text").write_text("no archive")
    monkeypatch.setenv(SETTING, str(tmp_path / "text"))
    with pytest.raises(NoSourcesError, match="no source archive"):
        sources(18, tmp_path / "got")


def test_without_a_setting_the_cache_is_looked_into(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is fetched where only tests are run; what was fetched once is used."""
    monkeypatch.delenv(SETTING, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert SETTING in available(18)
    place = tmp_path / "gatekeep-tests" / "postgresql-18"
    place.mkdir(parents=True)
    _archive(tree).rename(place / "postgresql-18_18.0.orig.tar.gz")
    assert available(18) == ""
    assert (sources(18, tmp_path / "got") / "sql" / "first.sql").exists()


def test_the_schedule_is_read_in_order(tree: Path) -> None:
    """Group by group, one after the other."""
    assert scheduled(tree / INSIDE) == ["first", "second", "third"]


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("SET SESSION AUTHORIZATION bob;", "SET ROLE bob;"),
        ("set session authorization 'bob';", "SET ROLE 'bob';"),
        ('SET SESSION SESSION AUTHORIZATION "b b";', 'SET SESSION ROLE "b b";'),
        ("SET LOCAL SESSION AUTHORIZATION bob;", "SET LOCAL ROLE bob;"),
        ("SET SESSION AUTHORIZATION DEFAULT;", "RESET ROLE;"),
        ("RESET SESSION AUTHORIZATION;", "RESET ROLE;"),
        ("SET ROLE bob;", "SET ROLE bob;"),
    ],
)
def test_a_switch_of_user_is_asked_as_a_role(tree: Path, written: str, asked: str) -> None:
    """On both ways alike; `as_written` leaves it, and other bytes stay what they are."""
    (tree / INSIDE / "sql" / "third.sql").write_bytes(b"\xc4 " + written.encode())
    one = script(tree / INSIDE, "third")
    assert one.text == b"\xc4 " + asked.encode()
    assert one.switches == (written != asked)
    same = script(tree / INSIDE, "third", as_written=True)
    assert same.text == b"\xc4 " + written.encode()
