"""Making segments: here, or in several processes, with the same frames either way."""

from __future__ import annotations

import functools
import itertools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vidwright.core import Frame
from vidwright.core.errors import JobFailed, OutOfMemory, UsageError
from vidwright.core.files import sha256
from vidwright.core.memory import keep_heap_small
from vidwright.core.overlap import overlap
from vidwright.data.neighbours import RADIUS
from vidwright.io.cursor import Cursor
from vidwright.io.probe import probe
from vidwright.io.reader import Picture
from vidwright.io.writer import encode_segment, segment_suffix
from vidwright.jobs.folder import Done
from vidwright.jobs.job import Job
from vidwright.jobs.restore import filters
from vidwright.jobs.segments import Segment
from vidwright.nn.tile import is_out_of_memory

#: Decoded frames waiting for the model.
AHEAD = 1

Progress = Callable[[int], None]


class Maker:
    """Makes the segments of one job, one after the other; keeps the model and the open source between them."""

    def __init__(self, job: Job, threads: int) -> None:
        keep_heap_small()
        self._job = job
        self._process = job.open(probe(job.input, max_pixels=job.max_pixels).info, threads=threads)
        needs = self._process.needs
        self._filters, _ = filters(job.input)
        around = 0
        if self._filters is not None:
            around, self._filters.at_once = 2 * RADIUS, threads
        self._cursor = Cursor(job.input, keep=needs.warmup + needs.lookahead + around, max_pixels=job.max_pixels)

    def close(self) -> None:
        """Close the source."""
        self._cursor.close()

    def make(self, segment: Segment, folder: Path, progress: Progress) -> Done:
        """Write one segment's file into `folder`; `progress` is told of each frame (1) as it leaves the model."""
        path = folder / f"{segment.number:04d}{segment_suffix(self._job.settings)}"
        try:
            with closing(self._made(segment, progress)) as frames:  # nobody reads when the cursor is closed
                made = encode_segment(frames, self._process.info, path, self._job.settings)
        except (MemoryError, RuntimeError) as error:
            if is_out_of_memory(error):
                raise _out_of_memory(self._job.input) from error
            raise
        notes = self._process.notes()
        return Done(segment.number, path.name, made.frames, sha256(path), made.warnings, notes)

    def _made(self, segment: Segment, progress: Progress) -> Generator[Frame | Picture]:
        """The results that the segment owns, without those of its warm-up and look-ahead."""
        missing = segment.frames
        with closing(self._pictures(segment) if self._process.native else self._frames(segment)) as results:
            for frame in itertools.islice(results, missing):
                yield frame
                del frame  # before the next one is made: at 4K each takes 100 MB
                missing -= 1
                progress(1)
        if missing:
            raise JobFailed(
                self._job.input,
                "it has fewer frames than when the job was planned",
                "the file changed while it was read: run the same command again",
            )

    def _frames(self, segment: Segment) -> Generator[Frame]:
        needs = self._process.needs
        skip = (segment.start - segment.first) * needs.rate if self._process.rate is None else 0
        source = (picture.frame() for picture in self._pictures(segment))
        with (
            closing(overlap(source, depth=AHEAD)) as frames,
            closing(self._process.stream(frames, segment.begin)) as results,
        ):
            yield from itertools.islice(results, skip, None)

    def _pictures(self, segment: Segment) -> Generator[Picture]:
        """What is to be read; one that nothing follows is shown until the segment ends, whatever the file says."""
        first, last, own = segment.first, segment.last, self._filters
        read = self._cursor.pictures if own is None else functools.partial(own.pictures, self._cursor)
        for number, picture in enumerate(read(first, last), start=first):
            over = number == last - 1 and segment.last == segment.stop
            yield replace(picture, duration=segment.end - picture.time) if over else picture


@dataclass(frozen=True, slots=True)
class Local:
    """Run on this machine: `workers` processes (1 is this one) with `threads` threads each, all cores by default."""

    workers: int = 1
    threads: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("workers", self.workers), ("threads", self.threads)):
            if value is not None and value < 1:
                raise UsageError(f"--{name} {value}", "there must be one at least", "give a number from 1 up")

    def run(
        self, job: Job, segments: Iterable[Segment], folder: Path, progress: Progress, stop: threading.Event
    ) -> Generator[Done]:
        """Make `segments`, yielding each as it is finished; begin no further one once `stop` is set."""
        threads = self.threads or max(1, (os.cpu_count() or 1) // self.workers)
        if self.workers == 1:
            with closing(Maker(job, threads)) as maker:
                for segment in segments:
                    if stop.is_set():
                        return
                    yield maker.make(segment, folder, progress)
        else:
            yield from _run_pool(job, list(segments), folder, progress, stop, self.workers, threads)


def _run_pool(
    job: Job,
    segments: list[Segment],
    folder: Path,
    progress: Progress,
    stop: threading.Event,
    workers: int,
    threads: int,
) -> Iterator[Done]:
    context = multiprocessing.get_context("spawn")  # a fork would copy this process's locked thread pools
    counter = context.Value("q", 0)
    pool = ProcessPoolExecutor(workers, context, initializer=_start, initargs=(job, threads, counter))
    waiting = list(reversed(segments))
    running: set[Future[Done]] = set()
    told = 0
    try:
        while running or (waiting and not stop.is_set()):
            while waiting and len(running) < workers and not stop.is_set():
                running.add(pool.submit(_make, waiting.pop(), folder))
            finished, running = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
            if (now := counter.value) > told:
                progress(now - told)
                told = now
            yield from (future.result() for future in finished)
    except BrokenProcessPool as error:
        raise JobFailed(
            job.input,
            "a worker process died, perhaps for lack of memory",
            "run the same command again with fewer --workers",
        ) from error
    finally:
        _end(pool)


def _end(pool: ProcessPoolExecutor) -> None:
    """Leave no worker behind, also when we are being interrupted in the middle of a segment."""
    by_number: dict[int, Any] = getattr(pool, "_processes", None) or {}
    for process in list(by_number.values()):
        process.terminate()
    # The pool's own thread reaps its processes: a second waiter would only find that somebody else has.
    pool.shutdown(wait=True, cancel_futures=True)


_maker: Callable[[], Maker] | None = None
_counter: Any = None


def _start(job: Job, threads: int, counter: Any) -> None:
    global _maker, _counter
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what it means
    threading.Thread(target=_die_with_parent, daemon=True).start()
    # Made with the first segment, because an error in here would be lost: the pool would only say that it is broken.
    _maker, _counter = functools.cache(lambda: Maker(job, threads)), counter


def _make(segment: Segment, folder: Path) -> Done:
    def count(frames: int) -> None:
        with _counter.get_lock():
            _counter.value += frames

    assert _maker is not None
    return _maker().make(segment, folder, count)


def _die_with_parent() -> None:
    """A parent that is killed cannot tell its workers, who would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _out_of_memory(path: Path) -> OutOfMemory:
    return OutOfMemory(
        path, "there is not enough memory for a picture of this size", "use fewer --workers or a smaller input"
    )
