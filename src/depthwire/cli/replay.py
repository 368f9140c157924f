"""``depthwire replay``: apply tapes through the live frame path, offline and as fast as possible."""

import argparse
import json
import logging
import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import chain
from typing import Any

from depthwire.cli.command import FAILURE, OK, Command, whole_number
from depthwire.cli.output import log_levels, say, write
from depthwire.cli.replay_feed import Replay
from depthwire.cli.replay_report import merge_reports, summary

_DETAILS = """\
Applies tapes, one after another, to one set of books, as fast as possible and
through the same code as a live connection. Prints the books as of the end of
the last tape. replay detects topics and dialects from the frames.

By default replay decodes only order books. --topics adds topics by pattern,
such as 'publicTrade.*', or '*' for all. A tape without a usable frame is an
error.

With --json, replay prints one object:
  frames        frames read from the tapes
  seconds       elapsed time
  frames_per_s  frames divided by seconds
  decoded       frames of selected topics, and answers to requests
  left_out      frames of other topics
  skipped       lines and frames that could not be used; stderr lists them
  lanes         order-book frames by decoder, and the number of rejected frames
  books         by topic: state, cross_seq (v5: u and seq), applied (frames),
                bids and asks as [price, size] pairs of exact decimal text, best
                first; and the reason if the state is STALE
  trades        number of trades by topic, if --topics selects it

With --jobs N, up to N processes apply one tape each, to separate books. If
several tapes hold a topic, the output has the book of the last one.

examples:
  depthwire replay monday.frames
  depthwire replay --topics 'publicTrade.*' --json monday.frames.zst tuesday.frames.zst
  depthwire replay --jobs 4 *.frames
  depthwire replay 2024-01-01_BTCUSDT_ob500.data.zip
"""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "tapes",
        nargs="+",
        metavar="TAPE",
        help="tape of depthwire record, or a file of raw frames, one per line; plain, .zst or .zip",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument(
        "--topics",
        action="append",
        default=[],
        metavar="PATTERN",
        help="also decode topics that match this pattern; may be repeated (default: order books only)",
    )
    parser.add_argument(
        "--lane",
        choices=("scanner", "msgspec"),
        default="scanner",
        help="decoder of order-book frames: scanner, with msgspec as its fallback (default), or msgspec only",
    )
    parser.add_argument(
        "--jobs",
        type=whole_number,
        default=1,
        metavar="N",
        help="apply N tapes in parallel, to separate books (default: 1)",
    )


def apply_all(
    tapes: Sequence[str], patterns: Sequence[str], lane: str, verbose: bool
) -> tuple[dict[str, Any], list[str]]:
    """Apply tapes in order to one set of books and log skipped frames.

    Returns the JSON report, and an error text for each tape without a usable frame.
    """
    replay = Replay(patterns, scanner=lane == "scanner")
    # The reader logs each malformed line, which is too much if the file is not a tape.
    with log_levels({} if verbose else {"depthwire.tape": logging.ERROR}):
        for path in tapes:
            replay.apply(path)
    replay.log_skipped()
    return replay.report(), replay.errors


def _apply_in_parallel(
    tapes: Sequence[str], patterns: Sequence[str], lane: str, verbose: bool, jobs: int
) -> tuple[dict[str, Any], list[str]]:
    start = time.perf_counter()
    # Spawn rather than fork: a forked child would inherit its parent's locks, but not the threads that hold them.
    with ProcessPoolExecutor(min(jobs, len(tapes)), multiprocessing.get_context("spawn")) as processes:
        waiting = [processes.submit(apply_all, [tape], patterns, lane, verbose) for tape in tapes]
        reports, errors = zip(*(each.result() for each in waiting), strict=True)
        return merge_reports(reports, time.perf_counter() - start), list(chain.from_iterable(errors))


def _run(arguments: argparse.Namespace) -> int:
    options = arguments.tapes, arguments.topics, arguments.lane, arguments.verbose
    report, errors = apply_all(*options) if arguments.jobs == 1 else _apply_in_parallel(*options, arguments.jobs)
    write(json.dumps(report) + "\n" if arguments.json else summary(report))
    for error in errors:
        say(f"error: {error}")
    return FAILURE if errors else OK


COMMAND = Command("replay", "apply tapes offline and print the final books", _DETAILS, _configure, _run)
