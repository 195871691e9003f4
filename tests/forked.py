"""A process that has imported everything and runs each job in a fork of itself.

So a test can kill twenty jobs without importing torch twenty times, and knows each one's peak memory. It never
computes anything itself: a fork of a process with running threads would hang.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

from vidwright.jobs.compress import Compress
from vidwright.jobs.edit import Edit
from vidwright.jobs.enhance import Enhance
from vidwright.jobs.generate import Generate
from vidwright.train.recipe import Recipe


class Forks:
    """Used as a context manager, by the fixture `forks`; each `run` is one fork."""

    def __enter__(self) -> Forks:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__))], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def run(
        self, job: Enhance | Generate | Compress | Edit, *, segment: str = "8", kill_after: float | None = None
    ) -> dict[str, Any]:
        """What became of `job`: `status` (negative when killed), `seconds`, `peak` bytes of memory, `resumed`."""
        page = {"verb": type(job).__name__, "job": job.model_dump(mode="json")}
        return self._ask(page | {"segment": segment, "kill_after": kill_after})

    def train(self, recipe: Recipe, data: Path, out: Path, *, kill_at: int | None = None) -> int:
        """The status of a training run, begun or resumed; it is killed once its log has step `kill_at`."""
        page = {"recipe": recipe.as_json(), "data": str(data), "out": str(out)}
        return self._ask({"train": page, "kill_at": kill_at})["status"]

    def _ask(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin and self._process.stdout
        print(json.dumps(order | {"environment": dict(os.environ)}), file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())

    def __exit__(self, *_: object) -> None:
        with self._process:  # closes its input, upon which it ends
            pass


def _train(page: dict[str, str]) -> None:
    from vidwright.train import recipe
    from vidwright.train import run as running

    running.CHECKPOINT_SECONDS = 0.05
    data, out = Path(page["data"]), Path(page["out"])
    resume = bool(list(out.glob("checkpoints/[0-9]*")))
    if not resume:
        shutil.rmtree(out, ignore_errors=True)  # killed before its first checkpoint
    setting = running.Setting(data, out, valid=data, resume=resume, device="cpu")
    running.run(recipe.from_json(page["recipe"]), setting, stop=threading.Event())


def _work(order: dict[str, Any], results: int) -> None:
    import torch

    from vidwright.jobs import generate as generating
    from vidwright.jobs import planning
    from vidwright.jobs import run as running
    from vidwright.jobs.work import Local

    torch.set_num_threads(1)
    os.environ.update(order["environment"])  # as the test has it now, and not as it was when the server was started
    if "train" in order:
        return _train(order["train"])
    planning.SEGMENT_SECONDS = generating.SEGMENT_SECONDS = Fraction(order["segment"])
    job = {"Generate": Generate, "Enhance": Enhance, "Compress": Compress, "Edit": Edit}[order["verb"]](**order["job"])
    report = running.run(job, on=Local(threads=1))
    resumed = "resumed_trials" if isinstance(job, Compress) else "resumed_segments"
    os.write(results, json.dumps({"resumed": report.details[resumed]}).encode())


#: Look whether a process has ended, and leave it to be waited for.
ENDED = os.WEXITED | os.WNOHANG | os.WNOWAIT


def _fork(order: dict[str, Any]) -> dict[str, Any]:
    reading, writing = os.pipe()
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        try:
            _work(order, writing)
            os._exit(0)
        except BaseException as error:
            print(error, file=sys.stderr, flush=True)
            os._exit(1)
    os.close(writing)
    if order.get("kill_after") is not None:
        time.sleep(order["kill_after"])
        os.kill(child, signal.SIGKILL)
    if order.get("kill_at") is not None:
        log, row = Path(order["train"]["out"]) / "log.jsonl", f'"step","step":{order["kill_at"]},'
        while row not in (log.read_text() if log.exists() else "") and os.waitid(os.P_PID, child, ENDED) is None:
            time.sleep(0.001)
        os.kill(child, signal.SIGKILL)
    _, status, usage = os.wait4(child, 0)
    with os.fdopen(reading) as pipe:
        said = json.loads(pipe.read() or "{}")
    seconds = time.monotonic() - began
    return {"status": os.waitstatus_to_exitcode(status), "seconds": seconds, "peak": usage.ru_maxrss * 1024, **said}


if __name__ == "__main__":
    import scipy.interpolate  # noqa: F401  # the search for a size would import it, in each fork again

    import vidwright.jobs.generate
    import vidwright.jobs.run
    import vidwright.train.run  # noqa: F401

    for line in sys.stdin:
        print(json.dumps(_fork(json.loads(line))), flush=True)
