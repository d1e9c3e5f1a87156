"""What superjson costs over plain JSON: `python -m tests.benchmarks.superjson`.

Prints the median of many rounds in microseconds a call, plain JSON and superjson in turn.
"""

import statistics
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from timeit import Timer
from typing import Any, Final

from tidewire.chat.events import TextDelta, ToolCallStart
from tidewire_protocol.superjson import SUPERJSON
from tidewire_protocol.transformer import IDENTITY

ROUNDS: Final = 200
CALLS: Final = 2_000
"""In a round."""

MOMENT: Final = datetime(2024, 2, 29, 12, 34, 56, tzinfo=UTC)
MESSAGES: Final = [{"id": str(n), "text": "some words " * 10, "tokens": n, "at": MOMENT} for n in range(50)]

VALUES: Final[dict[str, Any]] = {
    "text_delta": TextDelta(content=" word"),
    "tool_call_start (a number)": ToolCallStart(tool_call_id="call_1", tool_name="search", index=1),
    "a dict of five": {"a": 1, "b": "two", "c": None, "d": True, "e": 1.5},
    "50 messages with times": MESSAGES,
}
PAYLOADS: Final[dict[str, Any]] = {
    "decode: an input of three": {"conversationId": "c", "message": "hello", "config": {"model": "m"}},
    "decode: 1,000 numbers": list(range(1000)),
}


def microseconds(work: Callable[[], object], calls: int = CALLS) -> float:
    return Timer(work).timeit(calls) / calls * 1e6


def compare(name: str, plain: Callable[[], object], superjson: Callable[[], object]) -> None:
    calls = max(1, int(CALLS / max(1.0, microseconds(superjson, 10))))
    rounds = [(microseconds(plain, calls), microseconds(superjson, calls)) for _ in range(ROUNDS)]
    before, after = (statistics.median(times) for times in zip(*rounds, strict=True))
    print(f"{name:36} {before:9.2f} {after:9.2f} {after - before:+9.2f}")


def main() -> None:
    print(f"{'µs a call':36} {'plain':>9} {'superjson':>9} {'more':>9}")
    for name, value in VALUES.items():
        compare(name, partial(IDENTITY.encode, value), partial(SUPERJSON.encode, value))
        tracked = [
            partial(transformer.encode_tracked, "e.12", value) for transformer in (IDENTITY, SUPERJSON)
        ]
        compare(f"{name}, tracked", *tracked)
    for name, document in PAYLOADS.items():
        compare(name, partial(IDENTITY.decode, document), partial(SUPERJSON.decode, {"json": document}))


if __name__ == "__main__":
    main()
