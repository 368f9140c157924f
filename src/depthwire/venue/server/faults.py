"""Which faults the venue injects and how often: a seeded plan that is consulted whenever a fault may happen.

`depthwire.venue.server.fault_injector` injects the faults of a connection.
"""

import random
from collections.abc import Callable, Container, Mapping
from enum import StrEnum

Listener = Callable[["Fault", str, bytes], object]


class Moment(StrEnum):
    """The occasions on which faults may happen."""

    FRAME = "a frame is sent"
    SNAPSHOT = "an order-book snapshot is sent"
    SIGN_IN = "a sign-in is answered"
    HANDSHAKE = "a client connects"


class Fault(StrEnum):
    """The kinds of faults. A frame is any text message from the venue, including answers to requests."""

    DROP = "drop"
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    DELAY = "delay"
    CORRUPT = "corrupt"
    TRUNCATE = "truncate"
    SPLIT_TCP = "split-tcp"
    SPLIT_FRAMES = "split-frames"
    WRONG_TYPE = "wrong-type"
    STALE = "stale"
    TRICKLE = "trickle"
    SILENT = "silent"
    CLOSE_MID_FRAME = "close-mid-frame"
    CLOSE_24H = "close-24h"
    CLOSE_MID_SNAPSHOT = "close-mid-snapshot"
    CLOSE_MID_AUTH = "close-mid-auth"
    REFUSE = "refuse"
    REDIRECT = "redirect"

    @property
    def moment(self) -> Moment:
        """The occasion on which the fault may happen."""
        return _MOMENTS.get(self, Moment.FRAME)


_MOMENTS = {
    Fault.CLOSE_MID_SNAPSHOT: Moment.SNAPSHOT,
    Fault.CLOSE_MID_AUTH: Moment.SIGN_IN,
    Fault.REFUSE: Moment.HANDSHAKE,
    Fault.REDIRECT: Moment.HANDSHAKE,
}

DESCRIPTIONS: Mapping[Fault, str] = {
    Fault.DROP: "the frame is not sent",
    Fault.DUPLICATE: "the frame is sent twice",
    Fault.REORDER: "the frame is sent after the next frame of its topic",
    Fault.DELAY: "the frame and all following frames are delayed by 0.2 s",
    Fault.CORRUPT: "one byte of the frame is changed",
    Fault.TRUNCATE: "the end of the frame is cut off",
    Fault.SPLIT_TCP: "the frame is split into several TCP segments",
    Fault.SPLIT_FRAMES: "the frame is split into several WebSocket fragments",
    Fault.WRONG_TYPE: "one value, except the topic, gets another JSON type",
    Fault.STALE: "an earlier frame of the book is sent again after it",
    Fault.TRICKLE: "the frame is sent in 20 pieces, 10 ms apart",
    Fault.SILENT: "half-open: the venue neither sends nor reads any more",
    Fault.CLOSE_MID_FRAME: "the connection ends in the middle of the frame",
    Fault.CLOSE_24H: "the connection is closed as if it were 24 hours old",
    Fault.CLOSE_MID_SNAPSHOT: "the connection ends in the middle of an order-book snapshot",
    Fault.CLOSE_MID_AUTH: "the connection ends in the middle of the answer to a sign-in",
    Fault.REFUSE: "a handshake is answered with status 503",
    Fault.REDIRECT: "a handshake is answered with status 302",
}


class Faults:
    """The faults to inject, and how often: ``Faults("drop=0.01,close-mid-frame=0.0005", seed=7)``; none by default.

    A rate is the probability of a fault at each occasion (`Moment`). At most one fault happens per occasion, so
    the rates of a `Moment` must not add up to more than 1. Equal seeds inject equal faults into equal sequences of
    frames. The faults may be changed while the venue runs. Raises ValueError if ``spec`` is invalid.
    """

    def __init__(self, spec: str = "", seed: int = 0) -> None:
        self.counts: dict[Fault, int] = dict.fromkeys(Fault, 0)
        """The number of injected faults, by kind."""
        self.is_on = False
        """Whether any fault may happen."""
        self.random = random.Random(f"{seed}:bytes")  # noqa: S311 - not a secret
        """The generator that decides details: which byte, which value, how many pieces."""
        self._plans = {moment: random.Random(f"{seed}:{moment}") for moment in Moment}  # noqa: S311 - as above
        self._rates: dict[Moment, list[tuple[Fault, float]]] = {}
        self._once: list[tuple[Fault, str]] = []
        self._listeners: list[Listener] = []
        self.set(spec)

    def set(self, spec: str) -> None:
        """Replace the rates: "kind=rate" separated by commas. "" ends all faults, including those of `once`.

        Raises ValueError if the text is invalid; then nothing changes.
        """
        rates = _rates(spec)
        self._rates = {
            moment: [(kind, rate) for kind, rate in rates.items() if kind.moment is moment and rate]
            for moment in Moment
        }
        self._once.clear()
        self._check()

    def once(self, kind: str, topic: str = "") -> None:
        """Inject one fault at its next occasion, regardless of the rates; ``topic`` restricts it to one topic's frames.

        Raises ValueError if the kind is unknown.
        """
        self._once.append((_kind(kind), topic))
        self._check()

    def listen(self, listener: Listener) -> None:
        """Call ``listener(fault, topic, raw)`` for each fault. Topic and frame are empty if the fault has none."""
        self._listeners.append(listener)

    def draw(
        self, moment: Moment, topic: str = "", raw: bytes = b"", *, without: Container[Fault] = ()
    ) -> Fault | None:
        """Return the fault to inject now, or None; count it and call the listeners. ``without`` excludes kinds."""
        fault = self._requested(moment, topic, without) or self._by_chance(moment, without)
        if fault is not None:
            self.counts[fault] += 1
            for listener in self._listeners:
                listener(fault, topic, raw)
        return fault

    def _requested(self, moment: Moment, topic: str, without: Container[Fault]) -> Fault | None:
        for request in self._once:
            kind, wanted = request
            if kind.moment is moment and kind not in without and wanted in ("", topic):
                self._once.remove(request)
                self._check()
                return kind
        return None

    def _by_chance(self, moment: Moment, without: Container[Fault]) -> Fault | None:
        chance = self._plans[moment].random()
        for kind, rate in self._rates[moment]:
            if chance < rate:
                return None if kind in without else kind
            chance -= rate
        return None

    def _check(self) -> None:
        self.is_on = bool(self._once) or any(self._rates.values())


def _rates(spec: str) -> dict[Fault, float]:
    rates: dict[Fault, float] = {}
    for part in spec.split(",") if spec.strip() else ():
        name, equals, text = part.strip().partition("=")
        kind = _kind(name)
        try:
            rate = float(text)
        except ValueError:
            rate = -1.0
        if not (equals and 0 <= rate <= 1):
            raise ValueError(f"invalid rate {part.strip()!r}: expected {kind}=RATE, 0 to 1, such as {kind}=0.01")
        if kind in rates:
            raise ValueError(f"{kind} appears twice in {spec!r}: name each kind once")
        rates[kind] = rate
    for moment in Moment:
        total = sum(rate for kind, rate in rates.items() if kind.moment is moment)
        if total > 1 + 1e-9:
            raise ValueError(f"the rates of faults when {moment} add up to {total:g}: expected at most 1")
    return rates


def _kind(name: str) -> Fault:
    try:
        return Fault(name)
    except ValueError:
        raise ValueError(f"unknown fault {name!r}: expected one of {', '.join(Fault)}") from None
