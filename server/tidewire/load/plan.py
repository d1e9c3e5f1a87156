"""What a run shall do, and what no run may ask for."""

import math
from typing import Final, Literal

import msgspec

from .template import Template, TemplateError

Kind = Literal["query", "mutation", "subscription"]
TransformerName = Literal["none", "superjson"]

SOCKETS_MAX: Final = 100_000
CALLS_MAX: Final = 1_000
OPEN_CALLS_MAX: Final = 200_000
"""Of all sockets together; one takes some 2 KiB of a worker's memory."""
RATE_MAX: Final = 200_000.0
DURATION_MAX: Final = 3_600.0
WORKERS_MAX: Final = 64
STORM_MIN: Final = 0.1
INPUT_MAX: Final = 1 << 20

SOCKETS_PER_RAMP_SECOND: Final = 1_000
"""Without `--ramp`; servers listen with a backlog of 100 to 2,048 connections."""


class PlanError(ValueError):
    """What was asked for cannot be done; `str(error)` is one sentence for who asked."""


class Setup(msgspec.Struct, frozen=True):
    """A mutation that each socket calls once, before its other calls."""

    path: str
    input: str | None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One run, as each worker gets it. Times are in seconds."""

    url: str
    addresses: list[tuple[str, int]] = []
    """Where the URL's host is, looked up once for all workers."""
    kind: Kind = "subscription"
    path: str
    input: str | None = None
    setup: Setup | None = None
    transformer: TransformerName = "none"
    sockets: int = 1
    calls: int = 1
    rate: float | None = None
    repeat: bool = False
    ramp: float | None = None
    duration: float = 10.0
    drop_all_every: float | None = None
    contiguous_ids: bool = False
    workers: int = 1
    connection_params: dict[str, str] | None = None
    headers: list[tuple[str, str]] = []
    origin: str | None = None
    connect_timeout: float = 10.0
    run: str = ""
    """The text for `{run}`."""

    @property
    def ramp_seconds(self) -> float:
        """How long the first connections are spread over."""
        if self.ramp is not None:
            return self.ramp
        return min(self.sockets / SOCKETS_PER_RAMP_SECOND, self.duration / 2)

    @property
    def open_calls(self) -> int:
        """How many calls are open at a time when all sockets are there; 0 if a rate decides."""
        return 0 if self.rate is not None else self.sockets * self.calls

    @property
    def repeats(self) -> bool:
        """Whether a call that has ended is followed by another one."""
        return self.rate is None and (self.repeat or self.kind != "subscription")


def check(plan: Plan) -> None:
    """Check what can be known before anything is sent.

    Raises:
        PlanError: a number is out of bounds, two contradict each other, or an input is no JSON.
    """
    _within("--sockets", plan.sockets, 1, SOCKETS_MAX)
    _within("--calls", plan.calls, 1, CALLS_MAX)
    _within("--workers", plan.workers, 1, WORKERS_MAX)
    _within("--duration", plan.duration, 0.1, DURATION_MAX)
    _within("--connect-timeout", plan.connect_timeout, 0.1, 60.0)
    if plan.rate is not None:
        _within("--rate", plan.rate, 0.01, RATE_MAX)
    if plan.ramp is not None:
        _within("--ramp", plan.ramp, 0.0, plan.duration)
    if plan.drop_all_every is not None:
        _within("--drop-all-every", plan.drop_all_every, STORM_MIN, plan.duration)
    if plan.open_calls > OPEN_CALLS_MAX:
        raise PlanError(
            f"{plan.sockets:,} sockets with {plan.calls:,} calls each are {plan.open_calls:,} open calls; "
            f"at most {OPEN_CALLS_MAX:,} are possible."
        )
    if plan.workers > plan.sockets:
        raise PlanError(f"{plan.workers} workers need at least {plan.workers} sockets: add --sockets.")
    if plan.repeat and plan.rate is not None:
        raise PlanError("--repeat and --rate both say when the next call is made; leave one out.")
    if not plan.path:
        raise PlanError("--path is empty; it is the name of a procedure, such as conversations.watch.")
    _check_input("--input", plan.input, has_setup=plan.setup is not None)
    if plan.setup is not None:
        _check_input("--setup-input", plan.setup.input, has_setup=False)


def _within(option: str, value: float, least: float, most: float) -> None:
    if not (math.isfinite(value) and least <= value <= most):
        raise PlanError(f"{option} must be from {least:,g} to {most:,g}, not {value:,.12g}.")


def _check_input(option: str, text: str | None, *, has_setup: bool) -> None:
    if text is None:
        return
    if len(text) > INPUT_MAX:
        raise PlanError(f"{option} is longer than {INPUT_MAX:,} characters.")
    if not text.isascii() and text != text.encode(errors="replace").decode():
        raise PlanError(f"{option} is not UTF-8.")
    try:
        Template(text).check(has_setup=has_setup)
    except TemplateError as error:
        raise PlanError(f"{option} {error}") from error
