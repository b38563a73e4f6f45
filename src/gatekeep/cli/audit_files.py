"""`audit verify | prove | check | rebuild-index`: evidence on files, offline. Exit codes of their own.

0 valid · 1 tampering · 2 incomplete · 3 valid, but the keys came with the evidence · 4 cannot
decide · 64 usage. Nothing here speaks to a gateway; `cli.audit` mounts these functions.
"""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from gatekeep.cli.exits import Exit
from gatekeep.cli.output import Format, json_text, visible
from gatekeep.errors import EvidenceBroken, GatekeepError, SettingsError
from gatekeep.journal.archive import LOG_DIR
from gatekeep.journal.checkpoint import UnknownKey, VerifierKey, parse_vkeys
from gatekeep.journal.encoding import parse_leaf
from gatekeep.journal.keys import KeyRing
from gatekeep.journal.logkey import LOG_VKEY_NAME
from gatekeep.journal.proof import check, prove
from gatekeep.journal.reading import EventFiles
from gatekeep.journal.report import Report
from gatekeep.journal.unsealing import Unsealer
from gatekeep.journal.verify import Trust, verify
from gatekeep.runtime.clock import SystemClock
from gatekeep.settings import Settings, load_settings
from gatekeep.stores.sqlite.indexing import rebuild_index
from gatekeep.stores.sqlite.state import StateStore

TAMPERED: Final = 1
INCOMPLETE: Final = 2
UNDECIDED: Final = 4
USAGE: Final = int(Exit.EVIDENCE_USAGE)
_JOURNAL: Final = "journal"

VkeyOption = Annotated[
    list[str] | None,
    typer.Option("--vkey", help="Public key of the log, or a file of such; may be repeated."),
]
KeysOption = Annotated[
    Path | None,
    typer.Option("--keys", help="Key directory: its log.vkey, and payloads are opened too."),
]
OutputOption = Annotated[Format, typer.Option("--output", "-o", help="How to show the result.")]


def verify_command(
    path: Annotated[
        Path | None, typer.Argument(help="A journal, a log directory, or a state directory.")
    ] = None,
    *,
    vkey: VkeyOption = None,
    keys: KeysOption = None,
    sealed: Annotated[
        bool, typer.Option("--sealed", help="Do not open payloads, even with keys.")
    ] = False,
    output: OutputOption = Format.TABLE,
) -> int:
    """Verify every byte of a journal. Without arguments: this gateway's own, with its keys.

    Without `--vkey` and `--keys` the key directory of the settings is used, if there is one.
    """
    try:
        report = verify_files(path, vkey=vkey or (), keys=keys, sealed=sealed)
    except (ValueError, OSError, GatekeepError) as error:
        return _refuse(error)
    except Exception as error:  # noqa: BLE001 - our own failure is no finding about the log
        return _say(f"failed inside ({type(error).__name__}): this says nothing of the log", UNDECIDED)
    if output is Format.TABLE:
        sys.stdout.write("".join(f"{visible(line)}\n" for line in report.as_text().splitlines()))
    else:
        sys.stdout.write(json_text(report.as_json(), indent=2) + "\n")
    return report.exit_code


def verify_files(
    path: Path | None, *, vkey: list[str] | tuple[str, ...], keys: Path | None, sealed: bool
) -> Report:
    """The report of `verify_command`. Raises ValueError, OSError or GatekeepError for wrong usage."""
    place = _Place.find(path, keys)
    trust = place.trust(vkey)
    if sealed or place.keys is None or not (place.keys / "kek").exists() or place.state is None:
        report = verify(place.journal, trust)
        report.notes.append("payloads were not opened: their hashes are checked, not what they say")
        return report
    ring = KeyRing.open(place.keys)
    with closing(_state(place.state, ring)) as store:
        return verify(place.journal, trust, unsealer=Unsealer(ring, store))


def prove_command(
    n: Annotated[int, typer.Argument(min=0, help="Index of the event.")],
    path: Annotated[Path | None, typer.Argument(help="A journal or log directory.")] = None,
    *,
    vkey: VkeyOption = None,
    keys: KeysOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write; else standard output.")
    ] = None,
) -> int:
    """Write the offline proof (C2SP tlog-proof) that an event stands in the signed log."""
    try:
        place = _Place.find(path, keys)
        proof = prove(place.log, n, place.trust(vkey or ()).keys)
    except UnknownKey as error:
        return _say(error.public, UNDECIDED)
    except EvidenceBroken as error:
        return _say(error.public, TAMPERED)
    except LookupError as error:
        return _say(str(error).strip("'"), INCOMPLETE)
    except (ValueError, OSError, GatekeepError) as error:
        return _refuse(error)
    if out is None:
        sys.stdout.write(proof.decode())
    else:
        out.write_bytes(proof)
        sys.stderr.write(f"proof of event {n} written to {out}\n")
    return 0


def check_command(
    file: Annotated[Path, typer.Argument(help="A .tlog-proof file.")],
    *,
    vkey: VkeyOption = None,
    keys: KeysOption = None,
    output: OutputOption = Format.TABLE,
) -> int:
    """Check such a proof against the log's public key, from the file alone."""
    try:
        proven = check(file.read_bytes(), _Place.find(None, keys).trust(vkey or ()).keys)
        envelope = parse_leaf(proven.leaf)
    except UnknownKey as error:
        return _say(error.public, UNDECIDED)
    except EvidenceBroken as error:
        return _say(error.public, TAMPERED)
    except (ValueError, OSError, GatekeepError) as error:
        return _refuse(error)
    checkpoint = proven.checkpoint
    if output is Format.TABLE:
        sys.stdout.write(
            f"event {proven.n} ({envelope['k']}) is in {visible(checkpoint.origin)},"
            f" signed at {checkpoint.size} events\n"
        )
    else:
        shown: dict[str, Any] = {
            "n": proven.n, "envelope": envelope, "origin": checkpoint.origin,
            "checkpoint": {"size": checkpoint.size, "root": checkpoint.root.hex()},
        }
        sys.stdout.write(json_text(shown, indent=2) + "\n")
    return 0


def rebuild_index_command(
    state: Annotated[Path | None, typer.Option("--state", help="State directory.")] = None,
    *,
    keys: KeysOption = None,
) -> int:
    """Make index.db anew from the journal, while the gateway is stopped."""
    try:
        place = _Place.find(state, keys)
        if place.state is None or place.keys is None:
            return _say("rebuilding the index needs a state directory and its keys", USAGE)
        ring = KeyRing.open(place.keys)
        with closing(_state(place.state, ring)) as store:
            files = EventFiles(place.journal)
            path = place.state / "index.db"
            count = rebuild_index(path, ring.index_db_key(), files, Unsealer(ring, store))
            files.close()
    except EvidenceBroken as error:
        return _say(error.public, TAMPERED)
    except (ValueError, OSError, GatekeepError) as error:
        return _refuse(error)
    sys.stderr.write(f"index.db holds {count} events\n")
    return 0


class _Place:
    """Where journal, state and keys lie; what is not said comes from the settings."""

    def __init__(self, journal: Path, state: Path | None, keys: Path | None) -> None:
        self.journal = journal
        self.state = state
        self.keys = keys

    @classmethod
    def find(cls, path: Path | None, keys: Path | None) -> _Place:
        """Understand what was given. Raises SettingsError if the settings are needed and wrong."""
        settings: Settings | None = None
        if path is None or keys is None:
            settings = _settings(needed=path is None and keys is None)
        if keys is None and settings is not None and settings.keys_dir.is_dir():
            keys = settings.keys_dir
        if path is None and settings is not None:
            path = settings.state_dir
        if path is None:
            raise ValueError("name a journal, a log directory or a state directory")
        if (path / _JOURNAL).is_dir():
            return cls(path / _JOURNAL, path, keys)
        beside = path.parent if (path.parent / "state.db").exists() else None
        return cls(path, beside, keys)

    @property
    def log(self) -> Path:
        """The C2SP log."""
        return self.journal / LOG_DIR if (self.journal / LOG_DIR).is_dir() else self.journal

    def trust(self, given: list[str] | tuple[str, ...]) -> Trust:
        """Keys that were named; else those of the key directory.

        A key that lies inside what is verified came with it, and is worth exit 3 at best.
        """
        texts, inside = [], False
        for one in given:
            file = Path(one)
            if file.is_file():
                inside = inside or self.journal.resolve() in file.resolve().parents
                texts.append(file.read_text("utf-8"))
            else:
                texts.append(one)
        if not given and self.keys is not None:
            inside = self.journal.resolve() in self.keys.resolve().parents
            texts.append((self.keys / LOG_VKEY_NAME).read_text("utf-8"))
        found: tuple[VerifierKey, ...] = parse_vkeys(texts)
        if not found:
            raise ValueError("no public key: give --vkey or --keys")
        return Trust(found, from_evidence=inside)


def _settings(*, needed: bool) -> Settings | None:
    try:
        return load_settings(None, os.environ)
    except SettingsError:
        if needed:
            raise
        return None


def _state(state: Path, ring: KeyRing) -> StateStore:
    return StateStore.open(state / "state.db", ring.state_db_key(), SystemClock())


def _refuse(error: Exception) -> int:
    if isinstance(error, SettingsError):
        return _say(f"{error}{f'; try: {error.fix}' if error.fix else ''}", USAGE)
    if isinstance(error, GatekeepError):
        return _say(error.public, USAGE)
    return _say(str(error), USAGE)


def _say(words: str, code: int) -> int:
    sys.stderr.write(f"gatekeep: {visible(words)}\n")
    return code
