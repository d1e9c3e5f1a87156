"""All turns under way, and who reads them."""

import asyncio
import logging
import uuid
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final
from weakref import WeakValueDictionary

import msgspec

from tidewire import RPCError

from .answering import AnswerSettings
from .log import Channel, EventId, Log
from .models import Message, TextPart
from .readers import Picture, Place, Readers, Reading
from .recorder import Recorder
from .recovery import close_turn
from .store import (
    Begun,
    ConversationBusyError,
    ConversationGoneError,
    DuplicateClientMessageError,
    MessageGoneError,
    StoreError,
)
from .titles import title_of
from .turn import Turn, TurnRequest, TurnServices

logger: Final = logging.getLogger("tidewire.chat")

SNAPSHOTS_SIZE: Final = 16 << 10
"""Characters of the messages that a reader gets as snapshots at a time, if they are several."""

ENDED_AT_ONCE: Final = 4
"""Turns that a server that is gone has left; as many as there are connections for reading."""

NOWHERE: Final = EventId("nowhere", 0)
"""Stands for an id that no log gave out."""

SEARCHED: Final = 100
"""Messages among which a turn is looked for that the log no longer knows."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What a user sends: a new message, or the wish for another answer to an old one."""

    owner: str
    conversation_id: str
    text: str | None
    """None keeps the old message's."""
    client_message_id: str | None
    settings: AnswerSettings
    again: str | None = None
    """The id of the message to be answered again, or of its answer."""


class Turns:
    """Starts turns, at most one at a time in a conversation, and attaches readers to them."""

    def __init__(self, services: TurnServices, log: Log) -> None:
        self._services = services
        self._log = log
        self._readers = Readers(services.store, log)
        self._active: dict[str, Turn] = {}
        self._attaching: set[asyncio.Task[Place]] = set()
        # A send looks at what is there and then changes it, and waits for the database in between.
        self._gates: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def active(self, conversation_id: str) -> Turn | None:
        """The turn that is under way in a conversation."""
        return self._active.get(conversation_id)

    def is_active(self, conversation_id: str, turn_id: str) -> bool:
        """Whether just this turn is."""
        active = self._active.get(conversation_id)
        return active is not None and active.id == turn_id

    async def picture(self, conversation_id: str, *, limit: int, cursor: str | None = None) -> Picture:
        """A conversation's newest messages, or those before `cursor`, and what is under way.

        Raises:
            BadCursorError: as `Messages.page`.
            StoreError: the database failed.
        """
        messages, journal = self._services.store.messages, self._log.journal
        while True:
            turn = self._active.get(conversation_id)
            if turn is None:
                live, position = None, await journal.position(conversation_id)
            else:
                live, position = turn.message, turn.position
                # Nobody is to see what could still be lost.
                await turn.recorded()
            page = await messages.page(conversation_id, limit=limit, cursor=cursor)
            # What was read before a turn began or ended does not fit what is true after it.
            if turn is not self._active.get(conversation_id):
                continue
            shown = [live if live and message.id == live.id else message for message in page.items]
            if turn is None and shown and shown[-1].status == "streaming":
                # Not by the position: another server may write on faster than anybody looks.
                shown[-1], position = await self._readers.answer_so_far(shown[-1])
            # It may have done both, here or on another server.
            elif turn is None and position != await journal.position(conversation_id):
                continue
            return Picture(messages=shown, next_cursor=page.next_cursor, turn=turn, position=position)

    async def stream(self, question: Question, last_event_id: str | None) -> Reading:
        """Attach to the turn that answers `question`; start it if it is new. Gives its events.

        A turn is started only if this is no continuation (`last_event_id`), no repetition (its
        client message id is known, or it asks for what the active turn answers), and no other
        turn is active.

        Raises:
            RPCError: CONFLICT, another turn is active; NOT_FOUND, the conversation, the message to be
                answered again, or what was sent under the same id is gone, or nothing is known of the
                turn to be continued.
            StoreError: the database failed; no turn was started.
        """
        # A turn that is stored has to run, even if its caller goes away in between.
        attaching = asyncio.create_task(self._attach(question, last_event_id))
        self._attaching.add(attaching)
        attaching.add_done_callback(self._attaching.discard)
        try:
            place = await asyncio.shield(attaching)
        except asyncio.CancelledError:
            attaching.add_done_callback(_log_unheard_failure)
            raise
        has_cursor = last_event_id is not None
        return self._readers.turn(question.conversation_id, place, has_cursor=has_cursor)

    async def watch(self, conversation_id: str, last_event_id: str | None) -> Reading:
        """Give the events of every turn of a conversation, after `last_event_id`, or from now on.

        What is not kept any more after that id is given as snapshots of the newest messages. A reader that
        comes without an id gets the newest one.

        Raises:
            StoreError: the database failed.
        """
        after = None if last_event_id is None else EventId.parse(last_event_id) or NOWHERE

        async def picture(limit: int) -> Picture:
            messages = self._services.store.messages
            fitting = await messages.fitting(conversation_id, limit=limit, max_size=SNAPSHOTS_SIZE)
            return await self.picture(conversation_id, limit=fitting)

        return self._readers.conversation(conversation_id, after, picture)

    async def stop(self, conversation_id: str, by: str) -> bool:
        """Stop the active turn and wait until it has ended; False if there is none.

        Raises:
            RPCError: CONFLICT, it is another server's.
            StoreError: it was stopped, but its end cannot be stored yet.
        """
        turn = self._active.get(conversation_id)
        if turn is None:
            async with self._gate(conversation_id):  # a turn that is just beginning is stopped as well
                turn = self._active.get(conversation_id)
                if turn is None:
                    left = await self._services.store.messages.turn_under_way(conversation_id)
                    if left is not None and not await self._is_closed(conversation_id, left):
                        raise _elsewhere()
                    return False
        return await turn.stop(by)

    async def delete(self, owner: str, conversation_id: str) -> bool:
        """Delete a conversation, and stop its active turn; False if there was no such conversation.

        Raises:
            RPCError: CONFLICT, a turn of another server's is under way; nothing was deleted.
            StoreError: the database failed, or the turn was stopped, but its end cannot be stored yet.
        """
        deleted = await self._delete(owner, conversation_id)
        await self.forget(conversation_id)
        return deleted

    async def _delete(self, owner: str, conversation_id: str) -> bool:
        # Turns are stopped only afterwards, so that none can begin in between.
        while True:
            active = self._active.get(conversation_id)
            turn_id = None if active is None else active.id
            try:
                return await self._services.store.conversations.delete(owner, conversation_id, turn_id)
            except ConversationBusyError as busy:
                async with self._gate(conversation_id):
                    is_own = self.is_active(conversation_id, busy.turn_id)
                    if not is_own and not await self._is_closed(conversation_id, busy.turn_id):
                        raise _elsewhere() from busy
            except StoreError:
                # It may be deleted all the same, and only the word of it lost.
                if await self._services.store.conversations.exists(conversation_id):
                    raise
                return True

    async def forget(self, conversation_id: str) -> None:
        """Stop the active turn of a conversation that was deleted, and drop its events."""
        try:
            await self.stop(conversation_id, by="deletion")
        finally:
            self._log.forget(conversation_id)
            await self._log.journal.delete(conversation_id)

    async def drain(self, grace: float) -> None:
        """Let turns end by themselves for `grace` seconds, then interrupt what is left."""
        deadline = asyncio.get_running_loop().time() + grace
        while self._attaching or self._active:
            if self._attaching:
                await asyncio.wait(self._attaching)
                continue
            turns = list(self._active.values())
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                await asyncio.gather(*(turn.interrupt() for turn in turns))
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await asyncio.gather(*(turn.ended() for turn in turns))

    async def end_abandoned(self, turns: Iterable[tuple[str, str]]) -> int:
        """End turns that nobody works on; gives their number.

        Args:
            turns: the conversation and id of each turn that was under way when there was no other server,
                according to the database.

        Raises:
            StoreError: the database failed.
        """
        at_once = asyncio.Semaphore(ENDED_AT_ONCE)

        async def end(conversation_id: str, turn_id: str) -> bool:
            async with at_once, self._gate(conversation_id):
                if self.is_active(conversation_id, turn_id):
                    return False
                try:
                    return await self._close(conversation_id, turn_id)
                except StoreError:
                    raise
                # Whatever it is, such as an event of a newer version: all others are to be ended.
                except Exception as error:
                    logger.error("Turn %s cannot be ended", turn_id, exc_info=error)
                    return False

        return sum(await asyncio.gather(*(end(*turn) for turn in turns)))

    # ---------- which turn

    async def _attach(self, question: Question, last_event_id: str | None) -> Place:
        async with self._gate(question.conversation_id):
            # Mostly a turn begins, and whether it may is asked where that is stored.
            begins = last_event_id is None and question.conversation_id not in self._active
            place = None if begins else await self._find(question, last_event_id)
            return place or await self._begin(question)

    def _gate(self, conversation_id: str) -> asyncio.Lock:
        return self._gates.setdefault(conversation_id, asyncio.Lock())

    async def _find(self, question: Question, last_event_id: str | None) -> Place | None:
        if await self._services.store.conversations.get(question.owner, question.conversation_id) is None:
            raise _gone()
        if last_event_id is not None:
            return await self._find_continued(question, last_event_id)
        if question.client_message_id is not None:
            place = await self._find_sent(question.conversation_id, question.client_message_id)
            if place is not None:
                return place
        active = self._active.get(question.conversation_id)
        if active is None:
            return None
        if not _is_asked_by(active.request, question):
            raise _busy()
        return Place(active.id, active.start)

    async def _find_sent(self, conversation_id: str, client_message_id: str) -> Place | None:
        """Find the turn that a client began under an id, so that a repetition never begins another."""
        messages = self._services.store.messages
        turn_id = await messages.turn_sent_as(conversation_id, client_message_id)
        if turn_id is None:
            return None
        if not await messages.turn(turn_id):
            raise RPCError(
                "NOT_FOUND",
                "What was sent with this clientMessageId was answered, and replaced or deleted since",
            )
        return await self._start_of(conversation_id, turn_id)

    async def _start_of(self, conversation_id: str, turn_id: str) -> Place:
        active = self._active.get(conversation_id)
        if active is not None and active.id == turn_id:
            # Its first event may not be written yet.
            return Place(turn_id, active.start)
        return await self._readers.start_of(conversation_id, turn_id)

    async def _find_continued(self, question: Question, last_event_id: str) -> Place:
        """Find the turn that a reader has seen up to `last_event_id`. Never starts one."""
        conversation_id, messages = question.conversation_id, self._services.store.messages
        event_id = EventId.parse(last_event_id)
        if event_id is not None and (place := await self._readers.place(conversation_id, event_id)):
            return place
        if event_id is not None:
            for message in await messages.turn(event_id.epoch):
                if message.conversation_id == conversation_id:
                    return self._place_in_store(conversation_id, event_id)
        # The event is no longer kept; what it was about can still be known.
        if question.client_message_id is not None:
            place = await self._find_sent(conversation_id, question.client_message_id)
            if place is not None:
                return place
        else:
            for message in reversed(await messages.history(conversation_id, limit=SEARCHED)):
                if _is_what_was_sent(message, question):
                    return await self._start_of(conversation_id, message.turn_id)
        raise RPCError("NOT_FOUND", "Nothing is known of the turn to be continued")

    def _place_in_store(self, conversation_id: str, event_id: EventId) -> Place:
        """Where to go on in a turn that was given as a whole; from its start if it is under way."""
        active = self._active.get(conversation_id)
        if active is not None and active.id == event_id.epoch:
            return Place(active.id, active.start)
        return Place(event_id.epoch, event_id)

    # ---------- starting one

    async def _begin(self, question: Question) -> Place:
        try:
            request, position = await self._store(question)
        except DuplicateClientMessageError:
            assert question.client_message_id is not None
            place = await self._find_sent(question.conversation_id, question.client_message_id)
            assert place is not None
            return place
        except ConversationBusyError as busy:
            return await self._begin_elsewhere(question, busy.turn_id)
        return self._start(request, self._log.join_at(question.conversation_id, position))

    async def _begin_elsewhere(self, question: Question, turn_id: str) -> Place:
        """Attach to another server's turn if it is what the question asks for; end it if there is none."""
        conversation_id = question.conversation_id
        if await self._is_closed(conversation_id, turn_id):
            return await self._begin(question)
        for message in await self._services.store.messages.turn(turn_id):
            if question.again is None and message.role == "user" and message.content == question.text:
                return await self._readers.start_of(conversation_id, turn_id)
        raise _busy()

    async def _is_closed(self, conversation_id: str, turn_id: str) -> bool:
        """End a turn that is not active here, unless another server may be writing it."""
        async with self._services.store.servers.alone() as alone:
            if alone:
                await self._close(conversation_id, turn_id)
        return alone

    async def _close(self, conversation_id: str, turn_id: str) -> bool:
        services = self._services
        was_open = await close_turn(
            services.store,
            self._log.journal,
            conversation_id,
            turn_id,
            max_history_messages=services.max_history_messages,
        )
        # Who waits for its end here is told by nobody else.
        await self._log.refresh([conversation_id])
        return was_open

    async def _store(self, question: Question) -> tuple[TurnRequest, EventId]:
        answer = _answer(question)
        messages = self._services.store.messages
        title = None if question.text is None else title_of(question.text)
        try:
            if question.again is not None:
                begun = await messages.begin_again(question.owner, question.again, question.text, answer)
            else:
                begun = await messages.begin_turn(question.owner, _user(question, answer), answer, title)
        except ConversationGoneError:
            raise _gone() from None
        except MessageGoneError:
            raise RPCError("NOT_FOUND", "There is no such message in this conversation") from None
        except StoreError:
            # It may be stored all the same, and only the word of it lost.
            stored = await messages.turn(answer.turn_id)
            if not stored or stored[-1].status != "streaming":
                raise
            conversation = await self._services.store.conversations.get(
                question.owner, question.conversation_id
            )
            begun = Begun(
                stored[0],
                await self._log.journal.position(question.conversation_id),
                conversation is not None and conversation.title == title,
            )
        request = TurnRequest(
            owner=question.owner,
            user=begun.user,
            answer=answer,
            settings=question.settings,
            again=question.again,
            title=title if begun.is_titled else None,
        )
        return request, begun.position

    def _start(self, request: TurnRequest, channel: Channel) -> Place:
        conversation_id, turn_id = request.answer.conversation_id, request.answer.turn_id

        def end() -> None:
            # Before anybody reads `complete`, so that the next message is not a conflict.
            if self._active.get(conversation_id) is turn:
                del self._active[conversation_id]
                self._log.leave(channel)

        turn = Turn(request, self._services, Recorder(channel, turn_id), end)
        self._active[conversation_id] = turn
        return Place(turn_id, turn.start)


def _log_unheard_failure(attaching: asyncio.Task[Place]) -> None:
    error = None if attaching.cancelled() else attaching.exception()
    # A refusal was only the sender's business.
    if error is not None and not isinstance(error, RPCError):
        logger.warning("A message could not be taken whose sender has gone", exc_info=error)


def _gone() -> RPCError:
    return RPCError("NOT_FOUND", "There is no such conversation")


def _busy() -> RPCError:
    return RPCError("CONFLICT", "Another message is being answered in this conversation")


def _elsewhere() -> RPCError:
    return RPCError("CONFLICT", "The answer is being written by a server that is about to end")


def _is_what_was_sent(message: Message, question: Question) -> bool:
    if question.again is not None:
        return message.id == question.again
    return message.role == "user" and message.content == question.text


def _is_asked_by(request: TurnRequest, question: Question) -> bool:
    """Whether a turn answers just this."""
    if question.again != request.again:
        return False
    return question.text is None or question.text == request.user.content


def _user(question: Question, answer: Message) -> Message:
    assert question.text is not None
    return Message(
        id=uuid.uuid4().hex,
        conversation_id=question.conversation_id,
        turn_id=answer.turn_id,
        role="user",
        status="ok",
        content=question.text,
        parts=[TextPart(content=question.text)],
        created_at=answer.created_at,
        client_message_id=question.client_message_id,
    )


def _answer(question: Question) -> Message:
    return Message(
        id=uuid.uuid4().hex,
        conversation_id=question.conversation_id,
        turn_id=uuid.uuid4().hex,
        role="assistant",
        status="streaming",
        content="",
        parts=[],
        created_at=datetime.now(UTC),
        model=question.settings.model,
        # A new message carries the id itself; an old one keeps its own.
        client_message_id=None if question.again is None else question.client_message_id,
    )
