"""Ways to lose a connection between the sending of a message and its first event."""

from typing import Protocol

from tests.conformance.chat import Chat
from tests.faults.proxy import Proxy


class Loss(Protocol):
    """One such way."""

    def prepare(self, proxy: Proxy) -> None:
        """Be called when the client is connected, and about to send."""
        ...

    async def happen(self, proxy: Proxy, chat: Chat, message: str) -> None:
        """Lose the connection of a client that sends, or has sent, this message."""
        ...


class RequestLost:
    """The server never reads the message."""

    def prepare(self, proxy: Proxy) -> None:
        """From now on nothing arrives."""
        proxy.swallow()

    async def happen(self, proxy: Proxy, chat: Chat, message: str) -> None:
        """Cut when it was sent."""
        await proxy.swallowed()
        assert chat.playbook.requests(message) == []
        proxy.resume()
        proxy.cut()


class AnswerLost:
    """The server reads it, asks the provider, and answers; nothing of that arrives."""

    def prepare(self, proxy: Proxy) -> None:
        """From now on nothing comes back."""
        proxy.stall()

    async def happen(self, proxy: Proxy, chat: Chat, message: str) -> None:
        """Cut when the turn is well under way."""
        await chat.playbook.held(message)
        proxy.cut(reset=True)
        proxy.resume()


class EventsLost:
    """The client hears that its subscription has begun, and no more."""

    def prepare(self, proxy: Proxy) -> None:
        """Cut after the first frame, or the first thing in the event stream."""
        proxy.cut_when(_begun)

    async def happen(self, proxy: Proxy, chat: Chat, message: str) -> None:
        """Wait for it."""
        await proxy.cut_by_rule()


def _begun(received: bytes) -> int | None:
    for first in (b'"type":"started"}}', b"event: connected\n"):
        if (start := received.find(first)) >= 0:
            return start + len(first)
    return None


LOSSES: tuple[Loss, ...] = (RequestLost(), AnswerLost(), EventsLost())
