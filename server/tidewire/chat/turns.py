"""All turns under way, and who reads them."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import UTC, datetime
from weakref import WeakValueDictionary

import msgspec

from tidewire import RPCError, Tracked, tracked

from .answering import AnswerSettings
from .events import Complete, MessageEvent, Snapshot
from .log import Channel, EventId, MemoryLog
from .models import Message, TextPart
from .store import ConversationGoneError, DuplicateClientMessageError
from .turn import Turn, TurnRequest, TurnServices


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What a user sends."""

    owner: str
    conversation_id: str
    text: str
    client_message_id: str | None
    settings: AnswerSettings


class _Place(msgspec.Struct, frozen=True):
    """Where a reader goes on: after an event in the log, or in what is stored of a turn."""

    turn_id: str
    after: EventId


class Turns:
    """Starts turns, at most one at a time in a conversation, and attaches readers to them."""

    def __init__(self, services: TurnServices, log: MemoryLog) -> None:
        self._services = services
        self._log = log
        self._active: dict[str, Turn] = {}
        self._attaching: set[asyncio.Task[_Place]] = set()
        # A send looks at what is there and then changes it, and waits for the database in between.
        self._gates: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def active(self, conversation_id: str) -> Turn | None:
        """The turn that is under way in a conversation."""
        return self._active.get(conversation_id)

    def position(self, conversation_id: str) -> str:
        """The id of the newest event in a conversation with an active turn."""
        channel = self._log.find(conversation_id)
        assert channel is not None
        return str(channel.last)

    async def stream(
        self, question: Question, last_event_id: str | None
    ) -> AsyncIterator[Tracked[MessageEvent]]:
        """Attach to the turn that answers `question`; start it if it is new. Gives its events.

        A turn is started only if this is no continuation (`last_event_id`), no repetition (its
        client message id is known, or its text is what the active turn answers), and no other
        turn is active.

        Raises:
            RPCError: CONFLICT, another turn is active; NOT_FOUND, the conversation is gone, or
                nothing is known of the turn to be continued.
        """
        # A turn that is stored has to run, even if its caller goes away in between.
        attaching = asyncio.create_task(self._attach(question, last_event_id))
        self._attaching.add(attaching)
        attaching.add_done_callback(self._attaching.discard)
        place = await asyncio.shield(attaching)
        channel = self._log.find(question.conversation_id)
        if channel is not None and channel.has(place.after):
            return _follow(channel, place)
        return _replay(await self._services.store.messages.turn(place.turn_id), place.after)

    async def stop(self, conversation_id: str, by: str) -> bool:
        """Stop the active turn and wait until it has ended; False if there is none."""
        async with self._gate(conversation_id):  # a turn that is just beginning is stopped as well
            turn = self._active.get(conversation_id)
        if turn is None:
            return False
        await turn.stop(by)
        return True

    async def forget(self, conversation_id: str) -> None:
        """Stop the active turn of a conversation that was deleted, and drop its events."""
        await self.stop(conversation_id, by="deletion")
        self._log.forget(conversation_id)

    async def close(self, grace: float) -> None:
        """Let turns end by themselves for `grace` seconds, then interrupt what is left."""
        if self._attaching:
            await asyncio.wait(self._attaching)
        if self._active:
            waiting = [asyncio.ensure_future(turn.ended()) for turn in self._active.values()]
            await asyncio.wait(waiting, timeout=grace)
        await asyncio.gather(*(turn.interrupt() for turn in self._active.values()))
        self._log.close()

    # ---------- which turn

    async def _attach(self, question: Question, last_event_id: str | None) -> _Place:
        async with self._gate(question.conversation_id):
            return await self._find(question, last_event_id) or await self._begin(question)

    def _gate(self, conversation_id: str) -> asyncio.Lock:
        return self._gates.setdefault(conversation_id, asyncio.Lock())

    async def _find(self, question: Question, last_event_id: str | None) -> _Place | None:
        if last_event_id is not None:
            return await self._find_continued(question, last_event_id)
        if question.client_message_id is not None:
            sent = await self._services.store.messages.by_client_message_id(
                question.conversation_id, question.client_message_id
            )
            if sent is not None:
                return self._start_of(question.conversation_id, sent.turn_id)
        active = self._active.get(question.conversation_id)
        if active is None:
            return None
        if active.request.user.content != question.text:
            raise RPCError("CONFLICT", "Another message is being answered in this conversation")
        return self._start_of(question.conversation_id, active.id)

    async def _find_continued(self, question: Question, last_event_id: str) -> _Place:
        """Find the turn that a reader has seen up to `last_event_id`. Never starts one."""
        event_id = EventId.parse(last_event_id)
        channel = self._log.find(question.conversation_id)
        if event_id is not None and channel is not None and (entry := channel.entry(event_id)) is not None:
            return _Place(entry.turn_id, event_id)
        for message in reversed(
            await self._services.store.messages.history(question.conversation_id, limit=100)
        ):
            if event_id is not None and message.turn_id == event_id.epoch:
                return _Place(message.turn_id, event_id)
            if message.role == "user" and _is_same(message, question):
                return self._start_of(question.conversation_id, message.turn_id)
        raise RPCError("NOT_FOUND", "Nothing is known of the turn to be continued")

    def _start_of(self, conversation_id: str, turn_id: str) -> _Place:
        channel = self._log.find(conversation_id)
        start = None if channel is None else channel.start_of(turn_id)
        return _Place(turn_id, start or EventId(turn_id, 0))

    # ---------- starting one

    async def _begin(self, question: Question) -> _Place:
        request = _request(question)
        try:
            await self._services.store.messages.begin_turn(request.user, request.answer)
        except DuplicateClientMessageError:
            # Another process was faster.
            place = await self._find(question, None)
            assert place is not None
            return place
        except ConversationGoneError:
            raise RPCError("NOT_FOUND", "There is no such conversation") from None
        channel = self._log.open(question.conversation_id)
        place = _Place(request.answer.turn_id, channel.last)
        publish = self._publisher(question.conversation_id, request.answer.turn_id, channel)
        self._active[question.conversation_id] = Turn(request, self._services, publish)
        return place

    def _publisher(
        self, conversation_id: str, turn_id: str, channel: Channel
    ) -> Callable[[MessageEvent], None]:
        def publish(event: MessageEvent) -> None:
            # Before anybody reads `complete`, so that the next message is not a conflict.
            if isinstance(event, Complete):
                del self._active[conversation_id]
                self._log.release(conversation_id)
            channel.append(turn_id, event)

        return publish


def _is_same(message: Message, question: Question) -> bool:
    if question.client_message_id is not None:
        return message.client_message_id == question.client_message_id
    return message.content == question.text


def _request(question: Question) -> TurnRequest:
    turn_id, now = uuid.uuid4().hex, datetime.now(UTC)
    user = Message(
        id=uuid.uuid4().hex,
        conversation_id=question.conversation_id,
        turn_id=turn_id,
        role="user",
        status="ok",
        content=question.text,
        parts=[TextPart(content=question.text)],
        created_at=now,
        client_message_id=question.client_message_id,
    )
    answer = Message(
        id=uuid.uuid4().hex,
        conversation_id=question.conversation_id,
        turn_id=turn_id,
        role="assistant",
        status="streaming",
        content="",
        parts=[],
        created_at=now,
        model=question.settings.model,
    )
    return TurnRequest(owner=question.owner, user=user, answer=answer, settings=question.settings)


# ---------- reading


async def _follow(channel: Channel, place: _Place) -> AsyncIterator[Tracked[MessageEvent]]:
    """Give a turn's events from the log, until its `complete`."""
    last = channel.entry(place.after)
    if last is not None and last.turn_id == place.turn_id and isinstance(last.event, Complete):
        return
    async with aclosing(channel.follow(place.after)) as entries:
        async for entry in entries:
            if entry.turn_id == place.turn_id:
                yield tracked(str(entry.id), entry.event)
                if isinstance(entry.event, Complete):
                    return


async def _replay(messages: list[Message], after: EventId) -> AsyncIterator[Tracked[MessageEvent]]:
    """Give what is stored of a turn whose events are gone: the answer as a whole, and `complete`.

    Their ids are the turn's own, `<turnId>.1` and `.2`, so that this too can be continued.
    """
    answer = next((message for message in messages if message.role == "assistant"), None)
    if answer is None:
        raise RPCError("NOT_FOUND", "The answer was deleted")
    snapshot_id, complete_id = EventId(answer.turn_id, 1), EventId(answer.turn_id, 2)
    if after < snapshot_id:
        yield tracked(str(snapshot_id), Snapshot(message=answer, up_to=str(snapshot_id)))
    if after < complete_id:
        yield tracked(str(complete_id), _complete(answer))


def _complete(answer: Message) -> Complete:
    return Complete(
        message_id=answer.id,
        # Only another process can still be writing what this one knows nothing of.
        status="interrupted" if answer.status == "streaming" else answer.status,
        finish_reason=answer.finish_reason,
        usage=answer.usage,
    )
