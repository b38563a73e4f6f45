"""Fixtures: a running API, and the command line against it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.api_callers import AskingGateway
from support.gateway_thread import Gatekeep, Gateway, Told

from gatekeep.cli.main import run


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    """A running gateway whose owner runs the tests."""
    made = Gateway(tmp_path)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def gatekeep(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Gatekeep:
    """Run `gatekeep …` against the state directory of this test."""
    for name in [name for name in os.environ if name.startswith("GATEKEEP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GATEKEEP_STATE_DIR", str(tmp_path))

    def invoke(*arguments: str) -> Told:
        capsys.readouterr()
        code = run(arguments)
        out, err = capsys.readouterr()
        return Told(int(code), out, err)

    return invoke


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[AskingGateway]:
    """A running gateway where people are asked; also over TCP."""
    made = AskingGateway(tmp_path)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def as_(asking: AskingGateway, gatekeep: Gatekeep) -> Gatekeep:
    """Run `gatekeep …` as the principal who is named first, by his token."""

    def invoke(name: str, *arguments: str) -> Told:
        return gatekeep(*arguments, "--token-file", str(asking.token_file(name)))

    return invoke
