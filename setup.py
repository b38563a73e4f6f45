"""Builds gatekeep; with GATEKEEP_COMPILE=1 the hot path is compiled by mypyc into one extension.

The same files run either way: nothing here changes what they mean, and every test must pass over
both. Without a compiler, or without the variable, the package is plain Python.
"""

import os

from setuptools import setup

ROOT = "src/gatekeep"
#: What each statement and each event passes through, and what these classes refer to. Programs
#: that are run with `python -m` (writer, archivist) cannot be compiled themselves.
HOT = {
    "domain": "actions events outcomes",
    "gate": "clearance evidence fitness objecting permit policy_desk policy_memory supervision tally",
    "journal": "archive books chain encoding frames live pacing recent sealing streams tiles timekeeping"
    " tree unsealing",
    "protocols/postgres": "conversation copy_in cutting flight frames grammar messages refusals replies"
    " rereading segments settlement statements turns values",
    "proxies/postgres": "effects knowledge lookup pump reading record session tls_bytes",
    "runtime": "clock",
    "stores/sqlite": "indexing",
}


def extensions() -> list[object]:
    """The extension, if it is asked for."""
    if os.environ.get("GATEKEEP_COMPILE", "") in {"", "0"}:
        return []
    from mypyc.build import mypycify  # noqa: PLC0415 - only where something is compiled

    hot = [f"{ROOT}/{room}/{name}.py" for room, names in HOT.items() for name in names.split()]
    return list(mypycify(hot, opt_level="2", group_name="gatekeep"))


setup(ext_modules=extensions())
