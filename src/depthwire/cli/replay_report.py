"""The result of a replay: JSON report, merged reports, and a summary for people."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from depthwire.book.types import BookState
from depthwire.cli.output import price_text, sequences, size_text, table
from depthwire.feed.live_book import LiveBook

_SUMMARY_HEAD = ("topic", "state", "applied", "sequence", "bid size", "best bid", "best ask", "ask size")


def frame_rate(frames: int, seconds: float) -> float:
    """Return frames per second; 0 without frames."""
    return frames / seconds if frames else 0.0


def book_report(book: LiveBook) -> dict[str, Any]:
    """Return a book's state, sequence numbers and levels as a JSON object."""
    snapshot = book.snapshot(allow_stale=True)
    report: dict[str, Any] = {
        "state": snapshot.state,
        **sequences(book.topic, snapshot.cross_seq, snapshot.update_id),
        "applied": snapshot.version,
        "bids": [_level(level, snapshot.price_decimals) for level in snapshot.bids],
        "asks": [_level(level, snapshot.price_decimals) for level in snapshot.asks],
    }
    if snapshot.state is BookState.STALE:
        report["reason"] = snapshot.stale_reason
    return report


def merge_reports(reports: Sequence[dict[str, Any]], seconds: float) -> dict[str, Any]:
    """Combine reports of tapes that were applied in parallel. A topic's book comes from the last report that has it."""
    frames = sum(report["frames"] for report in reports)
    counts: dict[str, Counter[str]] = {"lanes": Counter(), "trades": Counter()}
    books: dict[str, Any] = {}
    for report in reports:
        books |= report["books"]
        for name, counter in counts.items():
            counter.update(report[name])
    return {
        "frames": frames,
        "seconds": round(seconds, 6),
        "frames_per_s": round(frame_rate(frames, seconds), 1),
        **{name: sum(report[name] for report in reports) for name in ("decoded", "left_out", "skipped")},
        "lanes": dict(counts["lanes"]),
        "books": books,
        "trades": dict(counts["trades"]),
    }


def summary(report: dict[str, Any]) -> str:
    """Return a report as a text table."""
    rows = [_summary_row(topic, book) for topic, book in report["books"].items()]
    lines = [table([_SUMMARY_HEAD, *rows])] if rows else []
    lines += [f"{topic}: {trades:,} trades\n" for topic, trades in report["trades"].items()]
    lines.append(
        f"{report['frames']:,} frames in {report['seconds']:.3f} s ({report['frames_per_s']:,.0f} frames/s), "
        f"{report['decoded']:,} decoded, {report['skipped']:,} skipped\n"
    )
    return "".join(lines)


def _level(level: tuple[int, float], price_decimals: int | None) -> list[str]:
    price_id, size = level
    return [price_text(price_id, price_decimals), size_text(size)]


def _summary_row(topic: str, book: dict[str, Any]) -> tuple[str, ...]:
    (bid, bid_size), (ask, ask_size) = (book[side][0] if book[side] else ("-", "-") for side in ("bids", "asks"))
    number = book["u"] if "u" in book else book["cross_seq"]
    return (topic, book["state"], f"{book['applied']:,}", str(number), bid_size, bid, ask, ask_size)
