"""Any client and any target: scp never raises, and neither a name nor a byte passes undecided."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.scp_world import end, play

from gatekeep.protocols.ssh.files.file_turns import Submit
from gatekeep.protocols.ssh.files.scp import ScpConversation
from gatekeep.protocols.ssh.files.scp_records import ScpCommand


@pytest.mark.parametrize("takes", [True, False])
def test_nothing_passes_undecided(takes: bool) -> None:
    """Whatever both sides say; and what was released is settled once, at the end at the latest."""

    @settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, 1 << 40))
    def search(seed: int) -> None:
        end(play(random.Random(seed), takes=takes))

    search()


@pytest.mark.parametrize("takes", [True, False])
def test_pieces_mean_what_the_whole_means(takes: bool) -> None:
    """However the wires cut it."""

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, 1 << 40), st.randoms(use_true_random=False))
    def search(seed: int, pieces: random.Random) -> None:
        whole = play(random.Random(seed), takes=takes)
        cut = play(random.Random(seed), takes=takes, pieces=pieces)
        assert whole.to_sink == cut.to_sink
        assert whole.to_source == cut.to_source
        assert whole.log == cut.log

    search()


@settings(max_examples=200, deadline=None)
@given(st.booleans(), st.lists(st.tuples(st.booleans(), st.binary(max_size=40)), max_size=20))
def test_noise_raises_nothing(takes: bool, said: list[tuple[bool, bytes]]) -> None:
    """Bytes without any sense, from both."""
    conversation = ScpConversation(ScpCommand(takes=takes, paths=("a",)))
    for by_client, noise in said:
        take = conversation.receive_client if by_client else conversation.receive_target
        for turn in take(noise):
            if isinstance(turn, Submit):
                conversation.refuse(turn.key, ())
