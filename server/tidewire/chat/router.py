"""The chat server's procedures."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from msgspec import Meta

from tidewire import CallInfo, ErrorCode, Next, Router, RPCError, Tracked

from .answering import AnswerSettings
from .context import ChatContext
from .events import MessageEvent
from .models import Conversation, Message, Wire
from .providers import ProviderError
from .store import BadCursorError, NullCharacterError, Page, StoreError
from .turn import Turn
from .turns import Question
from .unicode import repaired

Limit = Annotated[int, Meta(ge=1, le=200)]
TitleText = Annotated[str, Meta(min_length=1, max_length=200)]
SearchText = Annotated[str, Meta(max_length=1000)]
MessageText = Annotated[str, Meta(min_length=1, max_length=200_000)]
ClientMessageId = Annotated[str, Meta(min_length=1, max_length=200)]


class AIConfig(Wire, frozen=True, kw_only=True):
    """How a message is to be answered; what is left out is the server's choice."""

    model: str | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    max_output_tokens: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    system_prompt: Annotated[str, Meta(max_length=100_000)] | None = None
    tools: list[str] | None = None
    """Names of tools the model may call: all if left out, none if empty."""


class ActiveTurn(Wire, frozen=True, kw_only=True):
    """A turn under way. Follow it by `streamMessage` or `watch` with `upTo` as the last event id."""

    turn_id: str
    message_id: str
    user_message_id: str
    client_message_id: str | None = None
    up_to: str
    """The id of the last event that `messages` already holds."""


class ConversationState(Wire, frozen=True, kw_only=True):
    """A conversation with its newest messages, oldest first."""

    conversation: Conversation
    messages: list[Message]
    active_turn: ActiveTurn | None = None
    next_cursor: str | None = None
    """Leads to older messages; absent if there are none."""
    up_to: str
    """The id of the last event that `messages` already holds: `watch` goes on after it without a gap."""


class StopResult(Wire, frozen=True, kw_only=True):
    """Whether there was a turn to stop."""

    stopped: bool


class DeleteResult(Wire, frozen=True, kw_only=True):
    """Whether there was a conversation to delete."""

    deleted: bool


class ModelInfo(Wire, frozen=True, kw_only=True):
    """A model that `config` may name."""

    id: str
    is_default: bool


class ToolInfo(Wire, frozen=True, kw_only=True):
    """A tool that `config` may name."""

    name: str
    description: str
    parameters: dict[str, Any]
    """JSON schema of its arguments."""


async def name_failures(call: CallInfo, next: Next) -> Any:
    """Give what a database or provider reports the code that the client is to see."""
    try:
        return await next()
    except StoreError as error:
        # See `readers`: by a 5xx code a subscription over HTTP would be sent again, for ever.
        code: ErrorCode = "TIMEOUT" if call.kind == "subscription" else "SERVICE_UNAVAILABLE"
        raise RPCError(code, str(error)) from error
    except UnicodeEncodeError as error:
        raise RPCError("BAD_REQUEST", "The text holds half of a surrogate pair") from error
    except (BadCursorError, NullCharacterError) as error:
        raise RPCError("BAD_REQUEST", str(error)) from error
    except ProviderError as error:
        raise RPCError(error.code, error.message) from error


conversations: Router = Router()


@conversations.mutation
async def create(ctx: ChatContext, title: TitleText | None = None) -> Conversation:
    """Start an empty conversation. Without a title it gets one from its first message."""
    return await ctx.chat.store.conversations.create(ctx.owner, None if title is None else repaired(title))


@conversations.query(name="list")
async def list_conversations(
    ctx: ChatContext, limit: Limit = 50, cursor: str | None = None, search: SearchText | None = None
) -> Page[Conversation]:
    """List conversations, the last written in first; `search` looks into titles and messages."""
    return await ctx.chat.store.conversations.page(ctx.owner, limit=limit, cursor=cursor, search=search)


@conversations.query
async def get(
    ctx: ChatContext, conversation_id: str, limit: Limit = 100, cursor: str | None = None
) -> ConversationState:
    """Give a conversation with its newest messages, or with those before `cursor`.

    An answer that is being written is there as far as it has come.
    """
    await _owned(ctx, conversation_id)
    now = await ctx.chat.turns.picture(conversation_id, limit=limit, cursor=cursor)
    return ConversationState(
        # Read last: a title that came meanwhile may be one of the events that are counted as seen.
        conversation=await _owned(ctx, conversation_id),
        messages=list(now.messages),
        next_cursor=now.next_cursor,
        active_turn=None if now.turn is None else _active_turn(now.turn, str(now.position)),
        up_to=str(now.position),
    )


def _active_turn(turn: Turn, up_to: str) -> ActiveTurn:
    request = turn.request
    return ActiveTurn(
        turn_id=turn.id,
        message_id=request.answer.id,
        user_message_id=request.user.id,
        client_message_id=request.sent_as,
        up_to=up_to,
    )


@conversations.mutation
async def rename(ctx: ChatContext, conversation_id: str, title: TitleText) -> Conversation:
    """Change the title."""
    conversation = await ctx.chat.store.conversations.rename(ctx.owner, conversation_id, repaired(title))
    return conversation or _no_conversation()


@conversations.mutation
async def delete(ctx: ChatContext, conversation_id: str) -> DeleteResult:
    """Delete a conversation with all its messages, and stop what is being written in it."""
    await _owned(ctx, conversation_id)
    return DeleteResult(deleted=await ctx.chat.turns.delete(ctx.owner, conversation_id))


@conversations.mutation
async def stop(ctx: ChatContext, conversation_id: str) -> StopResult:
    """Stop the answer that is being written, keep what is there, and wait until it is stored."""
    await _owned(ctx, conversation_id)
    return StopResult(stopped=await ctx.chat.turns.stop(conversation_id, by=ctx.owner))


@conversations.subscription
async def stream_message(
    ctx: ChatContext,
    conversation_id: str,
    message: MessageText,
    client_message_id: ClientMessageId | None = None,
    config: AIConfig | None = None,
    *,
    last_event_id: str | None = None,
) -> AsyncIterator[Tracked[MessageEvent]]:
    """Send a message, and follow its answer until `complete`.

    Sending it again attaches to the same answer: after a lost connection (`lastEventId`), with
    the same `clientMessageId`, or with the same text while it is being answered. Stopping the
    subscription does not stop the answer; `conversations.stop` does.
    """
    question = Question(
        owner=ctx.owner,
        conversation_id=conversation_id,
        text=_said(message),
        client_message_id=client_message_id,
        settings=_answer_settings(ctx, config or AIConfig()),
    )
    return await ctx.chat.turns.stream(question, last_event_id)


@conversations.subscription
async def regenerate(
    ctx: ChatContext,
    conversation_id: str,
    message_id: str,
    message: MessageText | None = None,
    client_message_id: ClientMessageId | None = None,
    config: AIConfig | None = None,
    *,
    last_event_id: str | None = None,
) -> AsyncIterator[Tracked[MessageEvent]]:
    """Have a message answered again, and follow the new answer until `complete`.

    `messageId` is the user's message or the answer to it. Its answer is replaced, and what was said after
    it is deleted. With `message` it says that from now on: edit and resend. Calling it again attaches as
    with `streamMessage`.
    """
    question = Question(
        owner=ctx.owner,
        conversation_id=conversation_id,
        text=None if message is None else _said(message),
        client_message_id=client_message_id,
        settings=_answer_settings(ctx, config or AIConfig()),
        again=message_id,
    )
    return await ctx.chat.turns.stream(question, last_event_id)


@conversations.subscription
async def watch(
    ctx: ChatContext, conversation_id: str, *, last_event_id: str | None = None
) -> AsyncIterator[Tracked[MessageEvent]]:
    """Follow every turn of a conversation, whoever starts it; never ends by itself.

    Without `lastEventId` from now on, an answer under way first as a `snapshot`. With the `upTo` of
    `conversations.get` it goes on from there. What is no longer kept comes as snapshots of messages.
    """
    await _owned(ctx, conversation_id)
    return await ctx.chat.turns.watch(conversation_id, last_event_id)


def _said(message: str) -> str:
    if not message.strip():
        raise RPCError("BAD_REQUEST", "The message is empty")
    return repaired(message)


def _answer_settings(ctx: ChatContext, config: AIConfig) -> AnswerSettings:
    chat = ctx.chat
    model = config.model or chat.provider.default_model
    if chat.settings.models and model not in chat.settings.models:
        raise RPCError("BAD_REQUEST", f"The model {model!r} cannot be chosen; see models.list")
    unknown = [name for name in config.tools or () if name not in chat.toolbox]
    if unknown:
        raise RPCError("BAD_REQUEST", f"There is no tool called {unknown[0]!r}; see tools.list")
    return AnswerSettings(
        model=model,
        system_prompt=config.system_prompt
        if config.system_prompt is not None
        else chat.settings.system_prompt,
        temperature=config.temperature,
        max_output_tokens=config.max_output_tokens,
        tools=chat.toolbox.specs(config.tools),
        max_tool_rounds=chat.settings.max_tool_rounds,
    )


async def _owned(ctx: ChatContext, conversation_id: str) -> Conversation:
    conversation = await ctx.chat.store.conversations.get(ctx.owner, conversation_id)
    return conversation or _no_conversation()


def _no_conversation() -> Conversation:
    raise RPCError("NOT_FOUND", "There is no such conversation")


models: Router = Router()


@models.query(name="list")
async def list_models(ctx: ChatContext) -> list[ModelInfo]:
    """List the models that `config` may name, the default first."""
    provider = ctx.chat.provider
    return [
        ModelInfo(id=model, is_default=model == provider.default_model) for model in await provider.models()
    ]


tools: Router = Router()


@tools.query(name="list")
async def list_tools(ctx: ChatContext) -> list[ToolInfo]:
    """List the tools that `config` may name."""
    return [
        ToolInfo(name=spec.name, description=spec.description, parameters=spec.parameters)
        for spec in ctx.chat.toolbox.specs()
    ]


router: Router = Router(use=[name_failures], conversations=conversations, models=models, tools=tools)
