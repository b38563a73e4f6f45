"""Any client and any target: sftp never raises, never forwards the undecided, answers each request once."""

from __future__ import annotations

import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.sftp_talk import INIT, is_probe, version
from support.sftp_world import end, play

from gatekeep.protocols.ssh.files.file_turns import ToTarget
from gatekeep.protocols.ssh.files.sftp import SftpConversation


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 1 << 40))
def test_nothing_undecided_goes_out_and_nothing_is_answered_twice(seed: int) -> None:
    """Whatever both sides say, in whatever order decisions come; and in the end all is answered."""
    end(play(random.Random(seed)))


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 1 << 40), st.randoms(use_true_random=False))
def test_pieces_mean_what_the_whole_means(seed: int, pieces: random.Random) -> None:
    """However the wire cuts it: the same bytes to both sides and the same story."""
    whole, cut = play(random.Random(seed)), play(random.Random(seed), pieces)
    assert whole.sent == cut.sent
    assert whole.shown == cut.shown
    assert whole.log == cut.log


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(("client", "target")), st.binary(max_size=60)), max_size=30))
def test_noise_is_a_violation_at_worst(said: list[tuple[str, bytes]]) -> None:
    """Bytes without any sense raise nothing and reach nobody."""
    conversation = SftpConversation()
    turns = conversation.receive_client(INIT) + conversation.receive_target(version())
    for side, noise in said:
        turns += getattr(conversation, f"receive_{side}")(noise)
    sent = [turn.data for turn in turns if isinstance(turn, ToTarget)]
    assert all(packet == INIT or is_probe(packet) for packet in sent)
