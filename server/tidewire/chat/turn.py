"""One user message and the answer to it: a task of the server's, whoever reads along."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

import msgspec

from tidewire_protocol import ErrorCode

from .answering import Answering, AnswerSettings
from .events import Complete, Error, MessageEvent, Start, Stopped, Title
from .models import Failure, Message
from .prompt import prompt_messages
from .providers.base import Provider, ProviderError, ProviderTruncatedError
from .store import Store, StoreError
from .tools import Toolbox
from .turn_states import OUTCOMES, TURN_MOVES, TurnState, TurnStep
from .usage import total

logger: Final = logging.getLogger("tidewire.chat")

MAX_TITLE: Final = 60  # characters


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


class Turn:
    """Runs to its end by itself; `stop` and `interrupt` end it sooner.

    Args:
        publish: takes the events, in order; `complete` is the last.
    """

    def __init__(
        self, request: TurnRequest, services: TurnServices, publish: Callable[[MessageEvent], object]
    ) -> None:
        self.request = request
        self.state: TurnState = TurnState.QUEUED
        self._services = services
        self._publish = publish
        self._answering = Answering(
            settings=request.settings,
            provider=services.provider,
            toolbox=services.toolbox,
            publish=publish,
            conversation_id=request.user.conversation_id,
            owner=request.owner,
        )
        self._failure: Failure | None = None
        self._stopped_by: str | None = None
        publish(self._start())
        self._work = asyncio.create_task(self._converse(), name=f"answer {request.answer.id}")
        self._ending = asyncio.create_task(self._end(), name=f"turn {self.id}")

    @property
    def id(self) -> str:
        """The turn's id, which its two messages carry."""
        return self.request.answer.turn_id

    @property
    def message(self) -> Message:
        """The answer as far as it has come."""
        fold = self._answering.fold
        return msgspec.structs.replace(self.request.answer, parts=fold.parts, content=fold.content)

    async def ended(self) -> None:
        """Wait until the turn is stored and has said `complete`."""
        await asyncio.shield(self._ending)

    async def stop(self, by: str) -> None:
        """Stop answering, keep what is there, and return when the turn has ended."""
        if self._work.cancel():
            self._stopped_by = self._stopped_by or by
        await self.ended()

    async def interrupt(self) -> None:
        """End because the server does, and return when the turn has ended."""
        self._work.cancel()
        await self.ended()

    # ---------- the work

    async def _converse(self) -> None:
        request, services = self.request, self._services
        async with services.slots:
            self._move(TurnStep.BEGIN)
            await self._give_title()
            # The answer itself is in the history, still empty.
            limit = services.max_history_messages + 1
            history = await services.store.messages.history(request.user.conversation_id, limit=limit)
            said = [message for message in history if message.id != request.answer.id]
            await self._answering.run(prompt_messages(request.settings.system_prompt, said))

    async def _give_title(self) -> None:
        user = self.request.user
        title = title_of(user.content)
        if await self._services.store.conversations.set_title_if_absent(user.conversation_id, title):
            self._publish(Title(title=title))

    # ---------- the end

    async def _end(self) -> None:
        """Wait for the work to end in whatever way, store the answer, and say `complete`."""
        await asyncio.wait([self._work])
        self._conclude()
        message = msgspec.structs.replace(
            self.message,
            status=OUTCOMES[self.state],
            finish_reason=self._answering.finish_reason,
            usage=total(self._answering.usages),
            error=self._failure,
        )
        await self._save(message)
        self._publish(
            Complete(
                message_id=message.id,
                status=OUTCOMES[self.state],
                finish_reason=message.finish_reason,
                usage=message.usage,
            )
        )

    def _start(self) -> Start:
        user = self.request.user
        return Start(
            turn_id=self.id,
            message_id=self.request.answer.id,
            user_message_id=user.id,
            client_message_id=user.client_message_id,
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
            self._publish(Stopped(by=self._stopped_by))

    async def _save(self, message: Message) -> None:
        try:
            await self._services.store.messages.save(message)
        # Whatever it is, such as arguments nested too deeply to be written: readers wait for `complete`.
        except Exception as error:
            logger.error("The answer of turn %s was not stored: %s", self.id, error, exc_info=error)
            text = "The answer could not be saved."
            self._fail(TurnStep.FAIL, "SERVICE_UNAVAILABLE", text, retryable=True)

    def _fail(self, step: TurnStep, code: ErrorCode, message: str, retryable: bool) -> None:
        self._move(step)
        self._failure = Failure(code=code, message=message, retryable=retryable)
        self._publish(Error(code=code, message=message, retryable=retryable))

    def _move(self, step: TurnStep) -> None:
        self.state = TURN_MOVES[self.state, step]


def title_of(text: str) -> str:
    """Make a title of a message: its first line, cut at a word."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    if len(line) <= MAX_TITLE:
        return line
    head, _, _ = line[:MAX_TITLE].rpartition(" ")
    return f"{head or line[: MAX_TITLE - 1]}…"
