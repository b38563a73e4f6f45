"""What a process asks for before it serves."""

from __future__ import annotations

import gc
import resource

from gatekeep.process_limits import calm_collector, raise_file_limit


def test_a_process_may_open_as_many_files_as_the_system_lets_it() -> None:
    """The soft limit becomes the hard one."""
    raise_file_limit()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft == hard


def test_the_collector_looks_seldom() -> None:
    """And not at what was made before; it is set back here for the tests that follow."""
    before = gc.get_threshold()
    try:
        calm_collector()
        assert gc.get_threshold()[0] == 50_000
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
