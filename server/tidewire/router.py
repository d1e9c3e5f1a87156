"""A tree of procedures."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypedDict, TypeVar, Unpack, overload

import msgspec

from tidewire_protocol.messages import CallKind

from .declaration import DeclarationError, declare, name_of
from .middleware import Middleware
from .procedure import Procedure

F = TypeVar("F", bound=Callable[..., Any])

# Stock clients build paths by property access on a proxy, where these mean something else.
_RESERVED: Final = frozenset({"then", "call", "apply"})


class ProcedureOptions(TypedDict, total=False):
    """What a procedure can be declared with."""

    name: str
    """On the wire, instead of the function's name in camelCase."""
    use: Iterable[Middleware]
    """Middleware for this procedure, inside that of its routers."""
    meta: Mapping[str, Any]
    """Whatever middleware wants to know about it."""
    timeout: float
    """Seconds until the client is told TIMEOUT: for the answer of a query or mutation, for
    each next event of a subscription."""


class Router:
    """Procedures and other routers by name.

    Names are camelCase on the wire: `stream_message` is `streamMessage`.

        conversations = Router()

        @conversations.query
        async def get(ctx: ChatContext, conversation_id: str) -> Conversation: ...

        app_router = Router(conversations=conversations)      # conversations.get

    Args:
        use: middleware for everything in this router, the first one outermost; that of an
            outer router runs around it.
        routers: routers by name.

    Raises:
        DeclarationError: a name is taken, or not the name of a router.
    """

    def __init__(self, *, use: Iterable[Middleware] = (), **routers: "Router") -> None:
        self._middleware = tuple(use)
        self._members: dict[str, Procedure | Router] = {}
        for name, router in routers.items():
            # Whoever runs no type checker would find out when the router is served, without a name.
            if not isinstance(router, Router):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise DeclarationError(f"{name} must be a Router, not {router!r}")
            self._add(_camel(name), router)

    @overload
    def query(self, function: F, /) -> F: ...
    @overload
    def query(self, /, **options: Unpack[ProcedureOptions]) -> Callable[[F], F]: ...
    def query(
        self, function: F | None = None, /, **options: Unpack[ProcedureOptions]
    ) -> F | Callable[[F], F]:
        """Declare a procedure that reads. It is cancelled when its client disconnects.

        The function is typed, and `async`; a plain one runs in a thread.

        Raises:
            DeclarationError: the function cannot be a procedure, or its name is taken.
        """
        return self._declare("query", function, options)

    @overload
    def mutation(self, function: F, /) -> F: ...
    @overload
    def mutation(self, /, **options: Unpack[ProcedureOptions]) -> Callable[[F], F]: ...
    def mutation(
        self, function: F | None = None, /, **options: Unpack[ProcedureOptions]
    ) -> F | Callable[[F], F]:
        """Declare a procedure that changes something. It runs to its end even if its client goes.

        Raises:
            DeclarationError: as for `query`.
        """
        return self._declare("mutation", function, options)

    @overload
    def subscription(self, function: F, /) -> F: ...
    @overload
    def subscription(self, /, **options: Unpack[ProcedureOptions]) -> Callable[[F], F]: ...
    def subscription(
        self, function: F | None = None, /, **options: Unpack[ProcedureOptions]
    ) -> F | Callable[[F], F]:
        """Declare a procedure that streams: an async generator, or a function that returns one.

        It is cancelled when the client stops it or disconnects; its `finally` blocks run.
        A keyword `last_event_id: str | None = None` gets the id to resume after.

        Raises:
            DeclarationError: as for `query`.
        """
        return self._declare("subscription", function, options)

    def merge(self, other: "Router") -> None:
        """Take over what `other` holds now, under its middleware.

        Raises:
            DeclarationError: a name is taken.
        """
        for name, member in other._members.items():
            self._add(name, _inside(other._middleware, member))

    def procedures(self) -> dict[str, Procedure]:
        """Everything that can be called, by full path, with all middleware that applies."""
        return dict(self._walk("", ()))

    def _declare(self, kind: CallKind, function: F | None, options: ProcedureOptions) -> F | Callable[[F], F]:
        def decorate(function: F) -> F:
            procedure = declare(
                kind,
                function,
                middleware=tuple(options.get("use", ())),
                meta=options.get("meta", {}),
                timeout=options.get("timeout"),
            )
            self._add(options.get("name") or _camel(function.__name__), procedure)
            return function

        return decorate if function is None else decorate(function)

    def _add(self, name: str, member: "Procedure | Router") -> None:
        which = name_of(member.function) if isinstance(member, Procedure) else "A router"
        if name in self._members:
            raise DeclarationError(f"{which}: two members of a router would be called {name}")
        if not name.isidentifier() or name in _RESERVED:
            raise DeclarationError(f"{which}: a member of a router cannot be called {name!r}")
        self._members[name] = member

    def _walk(self, prefix: str, outer: tuple[Middleware, ...]) -> Iterator[tuple[str, Procedure]]:
        middleware = outer + self._middleware
        for name, member in self._members.items():
            if isinstance(member, Router):
                yield from member._walk(f"{prefix}{name}.", middleware)
            else:
                yield prefix + name, _with_middleware(middleware, member)


def _inside(middleware: tuple[Middleware, ...], member: Procedure | Router) -> Procedure | Router:
    if isinstance(member, Procedure):
        return _with_middleware(middleware, member)
    copy = Router(use=middleware)
    copy.merge(member)
    return copy


def _with_middleware(outer: tuple[Middleware, ...], procedure: Procedure) -> Procedure:
    return msgspec.structs.replace(procedure, middleware=outer + procedure.middleware)


def _camel(name: str) -> str:
    head, *tail = name.strip("_").split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in tail)
