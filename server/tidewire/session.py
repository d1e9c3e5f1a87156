"""One client's connection: runs its calls, and puts their frames into its outbox.

It knows no socket. A transport feeds received frames to `receive`, and sends what comes out of
`outbox` until that ends; then it closes the socket with `close_code`.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, Final, assert_never

import msgspec

from tidewire_protocol import (
    Call,
    Cancelled,
    Connection,
    Event,
    Greeted,
    Opened,
    Pinged,
    Rejected,
    Step,
)
from tidewire_protocol.codec import PONG_FRAME, RECONNECT_FRAME, data_tail, frame_head, tracked_tail

from . import calls
from .backlog import Backlog
from .context import ConnectionInfo
from .dispatcher import Dispatcher
from .errors import ErrorReport, RPCError, as_rpc_error, logger
from .feeds import Feed
from .flag import Flag
from .middleware import CallInfo
from .outbox import Outbox, OutboxOverflowError
from .procedure import Procedure
from .tracking import SharedEvent, Tracked

TRY_AGAIN_LATER: Final = 1013
"""Closes the WebSocket of a client that asks for more than it reads."""


class Session:
    """Everything that goes on over one connection.

    Args:
        dispatcher: what is served.
        connection: how the client is connected.
        announces_params: whether its first message will hold connection params.
        cut: cuts the socket at once, without waiting for a flush.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        connection: ConnectionInfo,
        *,
        announces_params: bool = False,
        cut: Callable[[], None] = lambda: None,
    ) -> None:
        self.outbox: Outbox = Outbox()
        """What is to be sent. When it ends, the connection is to be closed."""
        self.close_code: int | None = None
        """What the WebSocket is to be closed with; None for no code."""
        self._cut = cut
        self._backlog = Backlog(self.outbox)
        self._dispatcher = dispatcher
        self._info = connection
        self._protocol = Connection(
            dispatcher.transformer,
            announces_params=announces_params,
            max_batch_size=dispatcher.max_batch_size,
            max_message_bytes=dispatcher.max_message_bytes,
        )
        self._context: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._greeting: asyncio.Task[None] | None = None
        self._tasks: dict[Call, asyncio.Task[None]] = {}
        self._reminders: dict[Call, asyncio.TimerHandle] = {}
        """Of the calls that were cancelled and are cleaning up."""
        self._subscriptions = 0
        self._settled = Flag(is_set=True)
        self._over = Flag()

    @property
    def has_calls(self) -> bool:
        """Whether any call has not ended, subscriptions included."""
        return bool(self._tasks)

    def open(self) -> None:
        """Begin: make the context, unless connection params come first."""
        self._handle(self._protocol.open())

    def receive(self, frame: str | bytes) -> None:
        """Take one frame from the client, unless the connection is ending. Never waits and never fails."""
        if not self.outbox.closed:
            self._handle(self._protocol.receive(frame))

    def notify_reconnect(self) -> None:
        """Tell the client to open a new connection, and move its subscriptions there."""
        self._put(RECONNECT_FRAME)

    def end(self, code: int) -> None:
        """Take no more frames, send what waits, then have the WebSocket closed with `code`."""
        if not self.outbox.closed:
            self.close_code = code
            self.outbox.close()

    def abort(self) -> None:
        """Cut the connection at once. What waits is not sent; clients reconnect, and resume."""
        self.outbox.discard()
        self._cut()

    def hang_up(self) -> None:
        """Stop, because the socket is closing: cancel what reads, let mutations go on."""
        self._protocol.close()
        self.outbox.close()
        ending = self._cancellable()
        # A mutation may still be waiting for the context.
        if self._greeting is not None and len(ending) == len(self._tasks):
            self._greeting.cancel()
        for call in ending:
            self._cancel(call)

    async def close(self) -> None:
        """End, because the socket is gone.

        Returns when the cancelled calls have cleaned up, or have taken too long to.
        """
        self.hang_up()
        ending = self._cancellable()
        try:
            if ending:
                await asyncio.wait(ending.values(), timeout=self._dispatcher.cleanup_timeout)
        finally:
            self._over.set()

    async def settled(self) -> None:
        """Wait until no query and no mutation is under way."""
        # Another call may have come since it was so.
        while not self._settled.is_set:
            await self._settled.wait()

    async def ended(self) -> None:
        """Wait until the socket is gone and `close` has returned."""
        await self._over.wait()

    # ---------- events of the protocol

    def _handle(self, events: list[Event]) -> None:
        for event in events:
            # One frame of a hundred thousand bad requests must not cost as many answers.
            if self.outbox.closed:
                return
            match event:
                case Opened(call):
                    self._start(call)
                case Cancelled(call):
                    self._cancel(call)
                case Pinged():
                    self._put(PONG_FRAME)
                case Rejected():
                    self._reject(event)
                case Greeted():
                    self._greeting = asyncio.create_task(self._greet(event))
                case _:
                    assert_never(event)

    def _reject(self, event: Rejected) -> None:
        error = RPCError(event.fault.code, event.fault.message)
        report = ErrorReport(error=error) if event.call is None else self._report(error, event.call)
        self._put(event.head + self._dispatcher.error_tail(report))

    async def _greet(self, event: Greeted) -> None:
        try:
            if event.fault is not None:
                raise RPCError(event.fault.code, event.fault.message)
            if event.params is not None:
                self._info = msgspec.structs.replace(self._info, connection_params=event.params)
            self._context.set_result(await self._dispatcher.make_context(self._info))
        except asyncio.CancelledError as error:
            if calls.is_being_cancelled():
                raise
            await self._refuse(as_rpc_error(error))
        except Exception as error:
            await self._refuse(as_rpc_error(error))
        finally:
            # It has done its work, and would be kept as long as the connection.
            self._greeting = None

    async def _refuse(self, error: RPCError) -> None:
        """Answer everything with `error`, and end the connection.

        The frame without an id comes before the end: without it, stock clients reconnect
        without a pause.
        """
        self._put(frame_head(None, False) + self._dispatcher.error_tail(ErrorReport(error=error)))
        self._context.set_exception(error)
        self._context.exception()
        while self._tasks:
            await asyncio.wait(self._tasks.values())
        self.outbox.close()

    # ---------- calls

    def _start(self, call: Call) -> None:
        subscribes = call.kind == "subscription"
        if (excess := self._excess(subscribes)) is not None:
            self._fail(call, RPCError("TOO_MANY_REQUESTS", excess), None)
            return
        task = asyncio.create_task(self._run(call), name=f"{call.kind} {call.path}")
        self._tasks[call] = task
        self._subscriptions += subscribes
        if not subscribes:
            self._settled.clear()
        self._dispatcher.running.add(task)
        task.add_done_callback(partial(self._finish, call))

    def _excess(self, subscribes: bool) -> str | None:
        if len(self._tasks) >= self._dispatcher.max_calls:
            return "Too many calls at a time on one connection"
        if subscribes and self._subscriptions >= self._dispatcher.max_subscriptions:
            return "Too many subscriptions at a time on one connection"
        return None

    def _cancellable(self) -> dict[Call, asyncio.Task[None]]:
        return {call: task for call, task in self._tasks.items() if call.kind != "mutation"}

    async def _run(self, call: Call) -> None:
        context = None
        try:
            context = self._context.result() if self._context.done() else await asyncio.shield(self._context)
            procedure = self._dispatcher.find(call.kind, call.path)
            info = CallInfo(
                kind=call.kind,
                path=call.path,
                context=context,
                raw_input=call.input,
                last_event_id=call.last_event_id,
                meta=procedure.meta,
            )
            if call.kind == "subscription":
                await self._stream(call, procedure, info)
            else:
                await self._answer(call, procedure, info)
        except asyncio.CancelledError as error:
            if calls.is_being_cancelled():
                raise
            # Something that the procedure awaited was cancelled, not the call.
            self._fail(call, error, context)
        except Exception as error:
            self._fail(call, error, context)

    async def _answer(self, call: Call, procedure: Procedure, info: CallInfo) -> None:
        tail = await self._result(procedure, info)
        # Queries may take half of the backlog, so that the other half is there for mutations.
        if self._backlog.has_place(len(tail), share=1.0 if call.kind == "mutation" else 0.5):
            await self._deliver(call, tail)
        elif call.kind == "mutation":
            self._overflow("the results of its mutations do not fit into the backlog")
        else:
            del tail
            await self._answer_anew(call, procedure, info)

    async def _answer_anew(self, call: Call, procedure: Procedure, info: CallInfo) -> None:
        """Make the result of a query again when there is room, for there was no place to keep it.

        To refuse it, or to end the connection, would punish everybody who asks for much at a time;
        to hold calls back from the start would let one that waits for an event block the others.
        """
        async with self._backlog.turn:
            await self.outbox.room()
            await self._deliver(call, await self._result(procedure, info))

    async def _result(self, procedure: Procedure, info: CallInfo) -> bytes:
        result = await calls.answer(procedure, info)
        if calls.is_pending(result):
            await calls.discard(result)
            raise RPCError(
                "UNSUPPORTED_MEDIA_TYPE",
                f"Cannot return an async iterable or observable from a {info.kind} procedure with WebSockets",
            )
        return data_tail(result, self._dispatcher.transformer)

    async def _deliver(self, call: Call, tail: bytes) -> None:
        if not self.outbox.has_room:
            await self._backlog.wait(len(tail))
        self._send(call, Step.ANSWER, tail)

    async def _stream(self, call: Call, procedure: Procedure, info: CallInfo) -> None:
        async with aclosing(await calls.stream(procedure, info)) as stream:
            self._send(call, Step.START)
            async for event in stream.unchecked:
                # Encoded only then: many streams may be held back at a time.
                if not self.outbox.has_room:
                    await self.outbox.room()
                if not self._emit(call, stream.check(event)):
                    break
                if stream.feed is not None:
                    await self._follow(call, stream.feed, stream.check)
        self._send(call, Step.END)

    async def _follow(self, call: Call, feed: Feed[Any], check: Callable[[Any], Any]) -> None:
        """Have events put into the outbox as they come, as long as it has room."""
        ended = asyncio.get_running_loop().create_future()

        def take(events: Sequence[SharedEvent[Any]]) -> int:
            taken = 0
            try:
                while taken < len(events) and self.outbox.has_room:
                    if not self._emit(call, check(events[taken])):
                        break
                    taken += 1
            except Exception as error:
                if not ended.done():
                    ended.set_exception(error)
            return taken

        def stop() -> None:
            if not ended.done():
                ended.set_result(None)

        if feed.follow(take, stop):
            try:
                await ended
            finally:
                feed.unfollow()

    def _emit(self, call: Call, event: Any) -> bool:
        """Queue an event's frame. False if the client will see no more of the call."""
        frame = self._protocol.emit(call, self._event_tail(event))
        if frame is None:
            return False
        self._put(frame)
        return not self.outbox.closed

    def _event_tail(self, event: Any) -> bytes:
        transformer = self._dispatcher.transformer
        if isinstance(event, SharedEvent):
            if event.tail_by is not transformer:
                event.was_encoded(tracked_tail(event.id, event.data, transformer), by=transformer)
            return event.tail
        if isinstance(event, Tracked):
            return tracked_tail(event.id, event.data, transformer)
        return data_tail(event, transformer)

    def _fail(self, call: Call, error: BaseException, context: Any) -> None:
        report = self._report(as_rpc_error(error), call, context)
        self._send(call, Step.FAIL, self._dispatcher.error_tail(report))

    def _report(self, error: RPCError, call: Call, context: Any = None) -> ErrorReport:
        return ErrorReport(error=error, kind=call.kind, path=call.path, input=call.input, context=context)

    def _cancel(self, call: Call) -> None:
        """Cancel a call; once more, and with a warning, if it is still there after a while.

        Clients stop a subscription and disconnect right after: that must not cut its cleanup short.
        """
        if call in self._reminders:
            return
        task = self._tasks.get(call)
        if task is None:
            # Refused for being too many, by the same frame that stops it.
            return
        task.cancel()
        seconds = self._dispatcher.cleanup_timeout
        loop = asyncio.get_running_loop()
        self._reminders[call] = loop.call_later(seconds, _cancel_again, task, seconds)

    def _finish(self, call: Call, task: asyncio.Task[None]) -> None:
        del self._tasks[call]
        if call.kind == "subscription":
            self._subscriptions -= 1
        self._dispatcher.running.discard(task)
        reminder = self._reminders.pop(call, None)
        if reminder is not None:
            reminder.cancel()
        if task.cancelled() and reminder is not None:
            self._send(call, Step.END)
        elif task.cancelled():
            # By the server's shutdown, or by the procedure itself.
            self._fail(call, asyncio.CancelledError(), None)
        elif (error := task.exception()) is not None:
            self._fail(call, error, None)
        if len(self._tasks) == self._subscriptions:
            self._settled.set()

    # ---------- frames

    def _send(self, call: Call, step: Step, tail: bytes = b"") -> bool:
        """Report a step, and queue its frames. False if the client will see no more of the call."""
        frames = self._protocol.advance(call, step, tail)
        for frame in frames:
            self._put(frame)
        return bool(frames) and not self.outbox.closed

    def _put(self, frame: bytes) -> None:
        try:
            self.outbox.put(frame)
        except OutboxOverflowError as error:
            self._overflow(str(error))

    def _overflow(self, reason: str) -> None:
        if not self.outbox.closed:
            logger.warning("Closing the connection of %s: %s", self._info.client, reason)
            self.end(TRY_AGAIN_LATER)


def _cancel_again(task: asyncio.Task[None], seconds: float) -> None:
    logger.warning("%s is still cleaning up %g seconds after it was cancelled", task.get_name(), seconds)
    task.cancel()
