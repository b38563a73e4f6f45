"""Where the SQL of PostgreSQL's own regression tests comes from; nothing of it is kept here.

A directory or source archive named by GATEKEEP_PG_SOURCES, else the distribution's source package,
fetched with apt-get into the user's cache. Needed are `sql/`, `data/` and `parallel_schedule`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

SETTING = "GATEKEEP_PG_SOURCES"
INSIDE = PurePosixPath("src/test/regress")
_WANTED = ("sql", "data", "parallel_schedule")
_LIMIT_S = 300
# Debian's releases carry one major version each; its newest one is in `unstable`.
_NEWEST_SUITE = "unstable"


class NoSourcesError(Exception):
    """There are none to be had; the text is the reason."""


def sources(major: int, into: Path) -> Path:
    """`src/test/regress` for this major version, laid out under `into`. Raises NoSourcesError."""
    named = os.environ.get(SETTING)
    origin = Path(named) if named else _cached(major)
    if not origin.exists():
        raise NoSourcesError(f"{origin} does not exist")
    if origin.is_dir():
        _copied(origin, into)
    else:
        _unpacked(origin, into)
    if missing := [name for name in _WANTED if not (into / name).exists()]:
        raise NoSourcesError(f"{origin} has no {INSIDE}/{missing[0]}")
    return into


def available(major: int) -> str:
    """Why there are none without fetching anything; empty if there are some."""
    named = os.environ.get(SETTING)
    if named:
        return "" if Path(named).exists() else f"{SETTING}={named} does not exist"
    if _in_cache(major):
        return ""
    return f"no sources of PostgreSQL {major}: set {SETTING}, or run make regression once"


def _copied(origin: Path, into: Path) -> None:
    if (origin / INSIDE).is_dir():
        origin = origin / INSIDE
    elif (origin / "HEAD").exists():
        _checked_out(origin, into)
        return
    for name in _WANTED:
        if (origin / name).is_dir():
            shutil.copytree(origin / name, into / name, dirs_exist_ok=True)
        elif (origin / name).exists():
            shutil.copy(origin / name, into / name)


def _checked_out(repository: Path, into: Path) -> None:
    """The same from a bare git repository: the state of its HEAD."""
    with tempfile.TemporaryFile() as archive:
        done = subprocess.run(
            ["git", "-C", str(repository), "archive", "HEAD", str(INSIDE)],
            stdin=subprocess.DEVNULL, stdout=archive, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
        if done.returncode:
            raise NoSourcesError(f"git archive: {done.stderr.decode(errors='replace').strip()}")
        archive.seek(0)
        with tarfile.open(fileobj=archive) as opened:
            _taken(opened, into)


def _unpacked(archive: Path, into: Path) -> None:
    try:
        with tarfile.open(archive) as opened:
            _taken(opened, into)
    except tarfile.TarError as error:
        raise NoSourcesError(f"{archive} is no source archive: {error}") from None


def _taken(opened: tarfile.TarFile, into: Path) -> None:
    """Only what is wanted, wherever `src/test/regress` lies in the archive."""
    marker = f"/{INSIDE}/"
    for member in opened:
        _, found, inner = f"/{member.name}".partition(marker)
        if found and member.isfile() and PurePosixPath(inner).parts[0] in _WANTED:
            member.name = inner
            opened.extract(member, into, filter="data")


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "gatekeep-tests"


def _in_cache(major: int) -> list[Path]:
    return sorted((_cache() / f"postgresql-{major}").glob("postgresql-*.orig.tar.*"))


def _cached(major: int) -> Path:
    """The archive of the distribution's source package; fetched at the first time."""
    if found := _in_cache(major):
        return found[-1]
    if shutil.which("apt-get") is None:
        raise NoSourcesError(f"set {SETTING}: there is no apt-get to fetch them with")
    place = _cache() / f"postgresql-{major}"
    place.mkdir(parents=True, exist_ok=True)
    refusals = [_fetched(f"postgresql-{major}", suite, place) for suite in _suites()]
    if found := _in_cache(major):
        return found[-1]
    raise NoSourcesError(f"set {SETTING}: apt-get source: {(refusals or ['no mirror'])[-1]}")


def _suites() -> list[tuple[str, str]]:
    """Mirror and suite of each place that apt is set up for, then the newest suite of each."""
    told = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)",
         "Created-By: Packages"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    known = dict.fromkeys(
        (uri, suite)
        for uri, suite, component in (line.split() for line in told.stdout.splitlines())
        if component == "main"
    )
    return [*known, *dict.fromkeys((uri, _NEWEST_SUITE) for uri, _ in known)]


def _fetched(package: str, place: tuple[str, str], into: Path) -> str:
    """Download the source package from there, with an apt of its own lists; what went wrong."""
    if _in_cache(int(package.rpartition("-")[2])):
        return ""
    uri, suite = place
    with tempfile.TemporaryDirectory(prefix="gk-apt-") as name:
        own = Path(name)
        (own / "lists" / "partial").mkdir(parents=True)
        (own / "cache" / "archives" / "partial").mkdir(parents=True)
        (own / "sources.list").write_text(f"deb-src {uri} {suite} main\n")
        options = [
            "-q", "-o", f"Dir::Etc::SourceList={own / 'sources.list'}",
            "-o", "Dir::Etc::SourceParts=/dev/null", "-o", f"Dir::State::Lists={own / 'lists'}",
            "-o", f"Dir::Cache={own / 'cache'}", "-o", "APT::Sandbox::User=",
        ]  # fmt: skip
        for command in (["update"], ["source", "--download-only", package]):
            done = subprocess.run(
                ["apt-get", *options, *command], stdin=subprocess.DEVNULL, cwd=into,
                capture_output=True, text=True, timeout=_LIMIT_S, check=False,
            )  # fmt: skip
            if done.returncode:
                return (done.stderr.strip().splitlines() or ["?"])[-1]
    return ""
