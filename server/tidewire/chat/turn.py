"""One user message and the answer to it: a task of the server's, whoever reads along."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import msgspec

from tidewire_protocol import ErrorCode

from .answering import Answering, AnswerSettings
from .events import Complete, Error, Start, Stopped, Title
from .log import EventId, LogGivenUpError
from .models import Failure, Message, TextPart
from .prompt import prompt_messages
from .providers.base import Provider, ProviderError, ProviderTruncatedError
from .recorder import Recorder
from .store import Store, StoreError
from .tools import Toolbox
from .turn_states import OUTCOMES, TURN_MOVES, TurnState, TurnStep
from .usage import total

logger: Final = logging.getLogger("tidewire.chat")

STORE_RETRY: Final = 0.5
"""Seconds between two attempts to store the end of a turn."""

STORE_PATIENCE: Final = 5.0
"""Seconds that whoever ends a turn waits for the database."""


class TurnServices(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """What all turns of a server share."""

    store: Store
    provider: Provider
    toolbox: Toolbox
    slots: asyncio.Semaphore
    """Bounds how many turns run at once; more wait."""
    max_history_messages: int


class TurnRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What makes a turn different from others."""

    owner: str
    user: Message
    """The user's message, stored."""
    answer: Message
    """The answer, stored as `streaming` and empty."""
    settings: AnswerSettings
    again: str | None = None
    """The message whose answer this one replaces, as it was asked for."""
    title: str | None = None
    """What the conversation is called since."""

    @property
    def sent_as(self) -> str | None:
        """The client's id for what began the turn."""
        return (self.user if self.again is None else self.answer).client_message_id


class Turn:
    """Runs to its end by itself; `stop` and `interrupt` end it sooner.

    Args:
        record: takes the events, in order; `complete` is the last.
        on_end: is called just before readers see `complete`, or when that was given up.
    """

    def __init__(
        self, request: TurnRequest, services: TurnServices, record: Recorder, on_end: Callable[[], None]
    ) -> None:
        self.request = request
        self.state: TurnState = TurnState.QUEUED
        self._services = services
        self._record = record
        self._on_end = on_end
        self._answering = Answering(
            settings=request.settings,
            provider=services.provider,
            toolbox=services.toolbox,
            tool_runs=services.store.tool_runs,
            record=record,
            conversation_id=request.user.conversation_id,
            turn_id=self.id,
            owner=request.owner,
        )
        self._failure: Failure | None = None
        self._stopped_by: str | None = None
        self._is_cancelled = False
        record.put_last(self._start())
        if request.title is not None:
            record.put_last(Title(title=request.title))
        self._work = asyncio.create_task(self._converse(), name=f"answer {request.answer.id}")
        self._ending = asyncio.create_task(self._end(), name=f"turn {self.id}")

    @property
    def id(self) -> str:
        """The turn's id, which its two messages carry."""
        return self.request.answer.turn_id

    @property
    def message(self) -> Message:
        """The answer as far as it has come; readers may not have seen all of it yet."""
        fold = self._answering.fold
        return msgspec.structs.replace(
            self.request.answer, parts=fold.parts, content=fold.content, error=self._failure
        )

    @property
    def start(self) -> EventId:
        """The id before the turn's first event."""
        return self._record.start

    @property
    def position(self) -> EventId:
        """The id of the last event that `message` holds."""
        return self._record.position

    async def recorded(self) -> None:
        """Wait until readers may see what `message` holds now.

        Raises:
            StoreError: it cannot be stored.
        """
        try:
            await self._record.caught_up()
        except LogGivenUpError as error:
            raise StoreError("The conversation cannot be saved at the moment.") from error

    async def ended(self) -> None:
        """Wait until the turn is stored and has said `complete`, or nothing of that can be done."""
        await asyncio.shield(self._ending)

    async def stop(self, by: str) -> bool:
        """Stop answering, keep what is there, and return when the turn has ended.

        False if it had come to its end before.

        Raises:
            StoreError: it was stopped, but its end cannot be stored yet.
        """
        stops = self._cancel()
        if stops:
            self._stopped_by = self._stopped_by or by
        try:
            async with asyncio.timeout(STORE_PATIENCE):
                await self.ended()
        except TimeoutError as error:
            # What does not end may be told once more.
            self._is_cancelled = False
            raise StoreError("The answer was stopped, but cannot be saved at the moment.") from error
        return stops

    async def interrupt(self) -> None:
        """End because the server does, and return when the turn has ended."""
        self._cancel()
        try:
            async with asyncio.timeout(STORE_PATIENCE):
                await self.ended()
        except TimeoutError:
            self._ending.cancel()
            await asyncio.wait([self._ending])

    def _cancel(self) -> bool:
        """End the work; False if it has ended. Only once, for a second time would cut its clean-up short."""
        if not self._is_cancelled and not self._work.done():
            self._is_cancelled = True
            self._work.cancel()
        return not self._work.done()

    # ---------- the work

    async def _converse(self) -> None:
        request, services = self.request, self._services
        async with services.slots:
            self._move(TurnStep.BEGIN)
            # The answer itself is in the history, still empty.
            limit = services.max_history_messages + 1
            history = await services.store.messages.history(request.user.conversation_id, limit=limit)
            said = [message for message in history if message.id != request.answer.id]
            await self._answering.run(prompt_messages(request.settings.system_prompt, said))

    # ---------- the end

    async def _end(self) -> None:
        """Wait for the work to end in whatever way, store the answer, and say `complete`."""
        try:
            await asyncio.wait([self._work])
            self._conclude()
            # The events first, so that what is stored of an answer is never more than the log tells.
            await self._insist(self._record.caught_up)
            message = await self._save()
            self._record.put_last(Complete.of(message), self._on_end)
            await self._insist(self._record.caught_up)
        except asyncio.CancelledError:
            # The server cannot wait any longer.
            logger.error("The end of turn %s is not stored; the next start of the server will", self.id)
            self._on_end()
        # Whatever it is: the conversation must not stay busy for ever.
        except Exception as error:
            logger.error("The end of turn %s cannot be stored", self.id, exc_info=error)
            self._on_end()

    async def _insist(self, store: Callable[[], Awaitable[object]]) -> None:
        """Store something, however long the database takes."""
        told = False
        while True:
            try:
                await store()
                return
            except StoreError as error:
                # Once: a thousand turns may wait for one database.
                if not told:
                    logger.error("The end of turn %s is not stored yet: %s", self.id, error)
                told = True
            await asyncio.sleep(STORE_RETRY)

    async def _save(self) -> Message:
        """Store the answer, or at least its text, and give it."""
        message = self._finished(self.message)
        if await self._is_saved(message):
            return message
        self._fail(TurnStep.FAIL, "INTERNAL_SERVER_ERROR", "The answer cannot be saved.", False)
        text = [TextPart(content=message.content)] if message.content else []
        message = self._finished(msgspec.structs.replace(message, parts=text))
        await self._is_saved(message)
        return message

    async def _is_saved(self, message: Message) -> bool:
        try:
            await self._insist(partial(self._services.store.messages.save, message))
        # Whatever it is, such as arguments nested too deeply to be written: readers wait for `complete`.
        except Exception as error:
            logger.error("The answer of turn %s cannot be stored: %s", self.id, error, exc_info=error)
            return False
        return True

    def _finished(self, message: Message) -> Message:
        return msgspec.structs.replace(
            message,
            status=OUTCOMES[self.state],
            finish_reason=self._answering.finish_reason,
            usage=total(self._answering.usages),
            error=self._failure,
        )

    def _start(self) -> Start:
        user = self.request.user
        return Start(
            turn_id=self.id,
            message_id=self.request.answer.id,
            user_message_id=user.id,
            client_message_id=self.request.sent_as,
            model=self.request.settings.model,
        )

    def _conclude(self) -> None:
        """Move to the state in which the work has ended, and say what went wrong, if anything did."""
        if self._work.cancelled():
            self._conclude_cancelled()
            return
        error = self._work.exception()
        if error is not None and self._stopped_by is not None:
            logger.warning("Turn %s was stopped, and failed to clean up", self.id, exc_info=error)
            self._conclude_cancelled()
            return
        match error:
            case None:
                self._move(TurnStep.FINISH)
            case ProviderTruncatedError() as error:
                logger.warning("Turn %s was cut off: %s", self.id, error)
                self._fail(TurnStep.INTERRUPT, error.code, error.message, error.retryable)
            case ProviderError() as error:
                logger.warning("Turn %s failed: %s", self.id, error)
                self._fail(TurnStep.FAIL, error.code, error.message, error.retryable)
            case StoreError() as error:
                logger.error("Turn %s failed: %s", self.id, error, exc_info=error)
                self._fail(TurnStep.FAIL, "SERVICE_UNAVAILABLE", str(error), retryable=True)
            case error:
                logger.error("Turn %s broke", self.id, exc_info=error)
                self._fail(TurnStep.FAIL, "INTERNAL_SERVER_ERROR", "Internal server error", retryable=False)

    def _conclude_cancelled(self) -> None:
        if self._stopped_by is None:
            message = "The server was shut down."
            self._fail(TurnStep.INTERRUPT, "SERVICE_UNAVAILABLE", message, retryable=True)
        else:
            self._move(TurnStep.STOP)
            self._record.put_last(Stopped(by=self._stopped_by))

    def _fail(self, step: TurnStep, code: ErrorCode, message: str, retryable: bool) -> None:
        self._move(step)
        self._failure = Failure(code=code, message=message, retryable=retryable)
        self._record.put_last(Error(code=code, message=message, retryable=retryable))

    def _move(self, step: TurnStep) -> None:
        self.state = TURN_MOVES[self.state, step]
