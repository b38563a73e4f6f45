"""Feeds the fuzz targets: `python tests/fuzz/run.py --inputs 10000000`. What `make fuzz` ends with.

Most inputs are random choices, some are found by atheris, which watches the code that they reach
(where it is not installed, all are random). Counts and rates are kept in build/fuzz, so that
`--resume` goes on where a run stopped; an input that breaks a claim is kept there too.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parent.parent)

KEPT = Path("build/fuzz")
BATCH = 1_000
_REPORT_S = 5
_GUIDED = "guided"
_RANDOM = "random"


def inputs(target: str, seed: int, batch: int, longest: int) -> Iterator[bytes]:
    """The inputs of one batch; the same ones every time."""
    draw = random.Random(f"{target}:{seed}:{batch}")
    for _ in range(BATCH):
        yield draw.randbytes(draw.randrange(longest + 1))


def main() -> int:
    """Run what is asked for; 1 when a claim was broken."""
    asked = _arguments()
    if asked.worker:
        return _work(asked)
    if asked.replay:
        return _replay(asked.targets[0], bytes.fromhex(asked.replay))
    return _all(asked)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000_000, help="in sum over all targets")
    parser.add_argument("--targets", nargs="*", default=[])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--guided", type=int, default=10, help="of a hundred inputs, by atheris")
    parser.add_argument("--resume", action="store_true", help="count what earlier runs did")
    parser.add_argument("--replay", default="", help="one input in hex, of one target")
    parser.add_argument("--careful", action="store_true", help="keep each input before it is run")
    parser.add_argument("--worker", choices=[_RANDOM, _GUIDED], help=argparse.SUPPRESS)
    return parser.parse_args()


# --- the whole run -------------------------------------------------------------------------------


def _all(asked: argparse.Namespace) -> int:
    targets = importlib.import_module("fuzz.targets").TARGETS
    names = asked.targets or list(targets)
    shares = sum(targets[name].share for name in names)
    has_atheris = importlib.util.find_spec("atheris") is not None
    if not has_atheris:
        sys.stdout.write("atheris is not installed: every input is a random one\n")
    guided = asked.guided if has_atheris else 0
    KEPT.mkdir(parents=True, exist_ok=True)
    tasks = []
    for name in names:
        wanted = asked.inputs * targets[name].share // shares
        found = wanted * guided // 100
        tasks += [(name, _RANDOM, wanted - found)] + ([(name, _GUIDED, found)] if found else [])
    running: list[tuple[str, str, subprocess.Popen[bytes]]] = []
    broken: list[str] = []
    while tasks or running:
        while tasks and len(running) < asked.jobs:
            name, engine, count = tasks.pop(0)
            running.append((name, engine, _start(asked, name, engine, count)))
        for one in list(running):
            code = one[2].poll()
            if code is not None:
                running.remove(one)
                if code:
                    broken.append(f"{one[0]} ({one[1]}) ended with {code}, see {_log(*one[:2])}")
        time.sleep(0.2)
    _table(names)
    for one in broken:
        sys.stdout.write(f"FAILED: {one}\n")
    return 1 if broken else 0


def _start(
    asked: argparse.Namespace, name: str, engine: str, count: int
) -> subprocess.Popen[bytes]:
    command = [
        sys.executable, __file__, "--worker", engine, "--targets", name, "--inputs", str(count),
        "--seed", str(asked.seed),
        *(["--resume"] if asked.resume else []), *(["--careful"] if asked.careful else []),
    ]  # fmt: skip
    with _log(name, engine).open("ab" if asked.resume else "wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log)


def _log(name: str, engine: str) -> Path:
    return KEPT / f"{name}-{engine}.log"


def _table(names: list[str]) -> None:
    total = 0
    for name in names:
        for engine in (_RANDOM, _GUIDED):
            done, seconds = _done(name, engine)
            if done:
                rate = done / max(seconds, 0.001)
                sys.stdout.write(f"{name:14}{engine:8}{done:>12,} inputs {rate:>9,.0f}/s\n")
            total += done
    sys.stdout.write(f"{'in sum':22}{total:>12,} inputs\n")


def _done(name: str, engine: str) -> tuple[int, float]:
    """Inputs that one engine gave to one target, and in how many seconds."""
    if engine == _RANDOM:
        path = KEPT / f"{name}.json"
        held = json.loads(path.read_text()) if path.exists() else {}
        return held.get("inputs", 0), held.get("seconds", 0.0)
    path = _log(name, engine)
    text = path.read_text(errors="replace") if path.exists() else ""
    found = re.findall(r"Done (\d+) runs in (\d+) second", text)
    return sum(int(runs) for runs, _ in found), sum(float(seconds) for _, seconds in found)


# --- one target in a process of its own -------------------------------------------------------------


def _work(asked: argparse.Namespace) -> int:
    name = asked.targets[0]
    if asked.worker == _GUIDED:
        return _guided(name, asked)
    target = importlib.import_module("fuzz.targets").TARGETS[name]
    draw = importlib.import_module("fuzz.draw").Draw
    path = KEPT / f"{name}.json"
    held = json.loads(path.read_text()) if asked.resume and path.exists() else {}
    done, before = (held.get("inputs", 0), held.get("seconds", 0.0)) if held.get("seed") == asked.seed else (0, 0.0)
    began = reported = time.monotonic()

    def report() -> None:
        seconds = before + time.monotonic() - began
        path.write_text(json.dumps({"seed": asked.seed, "inputs": done, "seconds": seconds}))

    with target.around():
        while done < asked.inputs:
            for data in inputs(name, asked.seed, done // BATCH, target.longest):
                if asked.careful:
                    (KEPT / f"{name}-last").write_text(data.hex())
                try:
                    target.check(draw(data))
                except Exception:
                    report()
                    sys.stdout.write(f"broken by: --targets {name} --replay {data.hex()}\n")
                    raise
            done += BATCH
            if time.monotonic() - reported > _REPORT_S:
                reported = time.monotonic()
                report()
    report()
    return 0


def _guided(name: str, asked: argparse.Namespace) -> int:
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["gatekeep"]):
        target = importlib.import_module("fuzz.targets").TARGETS[name]
    draw = importlib.import_module("fuzz.draw").Draw
    corpus = KEPT / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)

    def one(data: bytes) -> None:
        target.check(draw(data))

    options = [
        sys.argv[0], f"-runs={asked.inputs}", f"-seed={asked.seed}", f"-max_len={target.longest}",
        "-timeout=60", "-rss_limit_mb=2048", f"-artifact_prefix={KEPT}/{name}-", str(corpus),
    ]  # fmt: skip
    with target.around():
        atheris.Setup(options, one)
        atheris.Fuzz()
    return 0


def _replay(name: str, data: bytes) -> int:
    target = importlib.import_module("fuzz.targets").TARGETS[name]
    with target.around():
        target.check(importlib.import_module("fuzz.draw").Draw(data))
    sys.stdout.write("holds\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
