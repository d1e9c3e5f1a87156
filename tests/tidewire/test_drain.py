"""The drain by itself: the order of its steps, and how long each may take."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Generator
from types import FrameType

import pytest

from tidewire.countdown import Countdown, Stage, total_seconds
from tidewire.drain import Drain, Work
from tidewire.shutdown import Shutdown, drained_at_shutdown

LONG = 60.0
SOON = 5.0
"""Seconds: what takes far less on a machine at rest."""


class FakeSocket:
    """A socket that writes down what is done to it."""

    def __init__(self, sockets: set["FakeSocket"], *, calls: bool = False, stuck: bool = False) -> None:
        self.sockets = sockets
        self.has_calls = calls
        self.happened: list[str] = []
        self.answered = asyncio.Event()
        self.told = asyncio.Event()
        self._stuck = stuck
        if not calls:
            self.answered.set()
        sockets.add(self)

    async def settled(self) -> None:
        await self.answered.wait()

    def notify_reconnect(self) -> None:
        self.happened.append("told")
        self.told.set()

    def end(self, code: int) -> None:
        self.happened.append(f"ended with {code}")
        if not self._stuck:
            self.leave()

    def abort(self) -> None:
        self.happened.append("aborted")
        self.leave()

    def leave(self) -> None:
        self.sockets.discard(self)


class FakeAnswer:
    """An HTTP answer that ends when it is told to."""

    def __init__(self, answers: set["FakeAnswer"], *, endless: bool) -> None:
        self.endless = endless
        self.ended = False
        self._answers = answers
        answers.add(self)

    def end(self) -> None:
        self.ended = True
        self._answers.discard(self)


@pytest.fixture
def sockets() -> set[FakeSocket]:
    return set()


@pytest.fixture
def answers() -> set[FakeAnswer]:
    return set()


@pytest.fixture
def no_linger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidewire.drain.LINGER", 0.1)


def drain_of(
    sockets: set[FakeSocket],
    *,
    grace: float = LONG,
    spread: float = 0.0,
    work: Work | None = None,
) -> Drain:
    return Drain(sockets, set[FakeAnswer](), grace=grace, spread=spread, work=work)


async def seconds_of(drain: Drain) -> float:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    async with asyncio.timeout(10):
        await drain.run()
    return loop.time() - begun


async def end_work(grace: float) -> None:
    """Work that is done."""


# ---------- the countdown


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("tidewire.countdown._now", lambda: clock.now)
    return clock


@pytest.mark.parametrize(
    ("grace", "ends"),
    [
        (0, [0, 0.3, 0.6, 0.9, 1.5]),
        (10, [7.5, 8, 8.5, 9, 10]),
        (60, [55, 56, 57, 58, 60]),
        (300, [295, 296, 297, 298, 300]),
    ],
)
async def test_the_grace_period_is_the_whole_from_the_signal_to_the_exit(
    clock: Clock, grace: float, ends: list[float]
) -> None:
    countdown = Countdown(grace)
    countdown.begin()
    assert [countdown.left(stage) for stage in Stage] == pytest.approx(ends)
    clock.now += 100
    assert [countdown.left(stage) for stage in Stage] == pytest.approx([max(0, end - 100) for end in ends])
    assert total_seconds(grace) == ends[-1]


async def test_a_hurry_leaves_what_closing_needs_and_never_adds_time(clock: Clock) -> None:
    countdown = Countdown(LONG)
    countdown.begin()
    countdown.hurry()
    assert countdown.left(Stage.WORK) == 0
    assert countdown.left(Stage.EXIT) == pytest.approx(1.5)
    clock.now += 0.3
    countdown.hurry()
    assert countdown.left(Stage.EXIT) == pytest.approx(1.2)


# ---------- sockets


@pytest.mark.usefixtures("no_linger")
async def test_a_socket_is_told_when_its_calls_are_answered_and_then_closed(sockets: set[FakeSocket]) -> None:
    idle, busy = FakeSocket(sockets), FakeSocket(sockets, calls=True)
    running = asyncio.create_task(seconds_of(drain_of(sockets)))
    await idle.told.wait()
    assert busy.happened == []
    busy.has_calls = False
    busy.answered.set()
    assert await running < SOON
    assert idle.happened == busy.happened == ["told", "ended with 1012"]


@pytest.mark.usefixtures("no_linger")
async def test_an_open_subscription_holds_the_end_up_unless_work_is_registered(
    sockets: set[FakeSocket],
) -> None:
    reader = FakeSocket(sockets, calls=True)
    reader.answered.set()
    assert await seconds_of(drain_of(sockets, work=end_work)) < SOON
    sockets.add(reader)
    assert 0.4 < await seconds_of(drain_of(sockets, grace=2)) < SOON
    assert reader.happened == ["told", "ended with 1012"] * 2


async def test_a_socket_whose_call_is_never_answered_is_closed_untold_at_the_deadline(
    sockets: set[FakeSocket],
) -> None:
    busy = FakeSocket(sockets, calls=True)
    assert await seconds_of(drain_of(sockets, grace=0)) < SOON
    assert busy.happened == ["ended with 1012"]


@pytest.mark.usefixtures("no_linger")
async def test_a_stuck_socket_is_aborted(sockets: set[FakeSocket]) -> None:
    stuck = FakeSocket(sockets, stuck=True)
    assert await seconds_of(drain_of(sockets, grace=1.6)) < SOON
    assert stuck.happened == ["told", "ended with 1012", "aborted"]


async def test_it_ends_as_soon_as_everybody_has_left(sockets: set[FakeSocket]) -> None:
    socket = FakeSocket(sockets, calls=True)
    socket.answered.set()
    running = asyncio.create_task(seconds_of(drain_of(sockets)))
    await socket.told.wait()
    socket.leave()
    assert await running < SOON
    assert socket.happened == ["told"]


@pytest.mark.usefixtures("no_linger")
async def test_a_socket_that_opens_late_is_told_as_well(sockets: set[FakeSocket]) -> None:
    first = FakeSocket(sockets)
    running = asyncio.create_task(seconds_of(drain_of(sockets)))
    await first.told.wait()
    late = FakeSocket(sockets)
    assert await running < SOON
    assert late.happened == ["told", "ended with 1012"]


@pytest.mark.usefixtures("no_linger")
async def test_many_sockets_are_told_over_the_spread_and_few_in_less(sockets: set[FakeSocket]) -> None:
    many = [FakeSocket(sockets) for _ in range(100)]
    drain = drain_of(sockets, spread=0.6)
    running = asyncio.create_task(seconds_of(drain))
    async with asyncio.timeout(5):
        while not any(socket.happened for socket in many):  # noqa: ASYNC110 - no socket in particular
            await asyncio.sleep(0)
    assert not all(socket.happened for socket in many)
    assert 0.5 < await running < SOON
    assert all(socket.happened == ["told", "ended with 1012"] for socket in many)
    FakeSocket(sockets)
    assert await seconds_of(drain_of(sockets, spread=5)) < SOON


# ---------- work


@pytest.mark.usefixtures("no_linger")
async def test_work_runs_to_its_end_and_sockets_are_served_until_then(sockets: set[FakeSocket]) -> None:
    done = asyncio.Event()

    async def work(grace: float) -> None:
        assert grace == pytest.approx(55, abs=1)
        await done.wait()

    reader = FakeSocket(sockets, calls=True)
    reader.answered.set()
    running = asyncio.create_task(seconds_of(drain_of(sockets, work=work)))
    await reader.told.wait()
    assert reader in sockets
    done.set()
    assert await running < SOON
    assert reader.happened == ["told", "ended with 1012"]


@pytest.mark.usefixtures("no_linger")
async def test_work_that_begins_while_clients_move_is_waited_for(sockets: set[FakeSocket]) -> None:
    FakeSocket(sockets)
    asked: list[float] = []

    async def work(grace: float) -> None:
        asked.append(asyncio.get_running_loop().time())
        if len(asked) == 2:
            await asyncio.sleep(0.3)

    assert await seconds_of(drain_of(sockets, work=work)) > 0.4
    # Twice more; on a busy machine even more often, for each look must be over soon.
    assert len(asked) >= 4


async def test_a_hurry_interrupts_work_at_once(sockets: set[FakeSocket]) -> None:
    begun = asyncio.Event()
    graces: list[float] = []

    async def work(grace: float) -> None:
        graces.append(round(grace))
        begun.set()
        if grace:
            await asyncio.Event().wait()

    drain = drain_of(sockets, work=work)
    running = asyncio.create_task(seconds_of(drain))
    await begun.wait()
    drain.countdown.hurry()
    assert await running < SOON
    assert graces[:2] == [55, 0]


async def test_work_that_fails_or_hangs_stops_nothing_else(
    sockets: set[FakeSocket], caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(grace: float) -> None:
        raise RuntimeError("a bug")

    async def hang(grace: float) -> None:
        await asyncio.Event().wait()

    for work in (fail, hang):
        socket = FakeSocket(sockets)
        assert await seconds_of(drain_of(sockets, grace=0, work=work)) < SOON
        assert socket.happened == ["told", "ended with 1012"]
    assert "What was under way could not be ended" in caplog.text
    assert "What was under way could not be interrupted in time" in caplog.text


# ---------- HTTP answers


async def test_answers_are_waited_for_and_event_streams_end_last(answers: set[FakeAnswer]) -> None:
    answer, stream = FakeAnswer(answers, endless=False), FakeAnswer(answers, endless=True)
    drain = Drain(set[FakeSocket](), answers, grace=LONG, spread=0, work=end_work)
    running = asyncio.create_task(drain.run())
    done, _ = await asyncio.wait({running}, timeout=0.3)
    assert not done
    answers.discard(answer)
    await running
    assert not stream.ended
    await drain.finish()
    assert (stream.ended, answer.ended) == (True, False)


async def test_answers_that_take_too_long_are_ended(answers: set[FakeAnswer]) -> None:
    answer = FakeAnswer(answers, endless=False)
    drain = Drain(set[FakeSocket](), answers, grace=0, spread=0)
    await drain.run()
    assert not answer.ended
    await drain.finish()
    assert answer.ended


# ---------- who runs it


@pytest.fixture
def signalled() -> Generator[list[int]]:
    """The signals that reach the handlers of a server."""
    numbers: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        numbers.append(number)

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    yield numbers
    for number, handler in before.items():
        signal.signal(number, handler)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - fakes tell nobody
            await asyncio.sleep(0.01)


@pytest.mark.usefixtures("no_linger")
async def test_the_hook_drains_before_it_passes_the_signal_on(
    sockets: set[FakeSocket], answers: set[FakeAnswer], signalled: list[int]
) -> None:
    handler = signal.getsignal(signal.SIGTERM)
    socket, stream = FakeSocket(sockets), FakeAnswer(answers, endless=True)
    drain = Drain(sockets, answers, grace=LONG, spread=0, work=end_work)
    with drained_at_shutdown(drain), drained_at_shutdown(drain_of(set())):
        signal.raise_signal(signal.SIGTERM)
        assert not drain.countdown.begun
        await socket.told.wait()
        assert signalled == []
        await until(lambda: signalled)
        assert (signalled, socket.happened) == ([signal.SIGTERM], ["told", "ended with 1012"])
        assert not stream.ended
        await until(lambda: stream.ended)
    assert signal.getsignal(signal.SIGTERM) is handler


async def test_the_hook_passes_a_second_signal_on_at_once_and_the_first_never(
    sockets: set[FakeSocket], signalled: list[int]
) -> None:
    socket = FakeSocket(sockets)
    with drained_at_shutdown(drain_of(sockets)):
        signal.raise_signal(signal.SIGTERM)
        await socket.told.wait()
        signal.raise_signal(signal.SIGINT)
        assert signalled == [signal.SIGINT]
        await until(lambda: not sockets)
        await asyncio.sleep(0)
    assert signalled == [signal.SIGINT]


async def test_signals_are_left_alone_where_nobody_handles_them() -> None:
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    interrupt = signal.getsignal(signal.SIGINT)
    with drained_at_shutdown(drain_of(set())):
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        assert signal.getsignal(signal.SIGINT) is interrupt


async def test_signals_are_left_alone_in_other_threads(signalled: list[int]) -> None:
    handler = signal.getsignal(signal.SIGTERM)

    async def hooked() -> bool:
        with drained_at_shutdown(drain_of(set())):
            return signal.getsignal(signal.SIGTERM) is not handler

    assert await hooked()
    assert not await asyncio.to_thread(asyncio.run, hooked())


@pytest.mark.usefixtures("signalled")
async def test_a_server_that_knows_drains_gets_them_instead_of_a_hook() -> None:
    shutdown = Shutdown()
    handler = signal.getsignal(signal.SIGTERM)
    with contextlib.ExitStack() as stack:
        with shutdown.known():
            stack.enter_context(drained_at_shutdown(drain_of(set(), grace=7)))
            stack.enter_context(drained_at_shutdown(drain_of(set(), grace=3)))
        assert shutdown.grace == 7
        assert signal.getsignal(signal.SIGTERM) is handler
    assert shutdown.is_empty


async def test_a_drain_that_fails_does_not_keep_others_from_theirs(
    sockets: set[FakeSocket], caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(FakeSocket):
        def end(self, code: int) -> None:
            raise RuntimeError("a bug")

    broken = Broken(set())
    shutdown, socket = Shutdown(), FakeSocket(sockets)
    with (
        shutdown.including(drain_of(broken.sockets, grace=0)),
        shutdown.including(drain_of(sockets, grace=0)),
    ):
        shutdown.begin()
        await shutdown.run()
    assert (broken.happened, socket.happened) == (["told", "aborted"], ["told", "ended with 1012"])
    assert "A drain failed" in caplog.text
