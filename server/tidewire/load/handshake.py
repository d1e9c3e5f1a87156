"""The HTTP request that opens a WebSocket, and its answer."""

from typing import Final

from websockets.client import ClientProtocol
from websockets.uri import parse_uri

from .plan import Plan
from .target import with_query

HEAD_MAX: Final = 64 << 10
HEAD_BEGIN: Final = b"HTTP/1.1 "
HEAD_END: Final = b"\r\n\r\n"


class HandshakeError(Exception):
    """The peer is no WebSocket server, or does not want us; `code` is what it is counted under."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Handshake:
    """One handshake, without a socket: send `request`, feed what comes."""

    def __init__(self, plan: Plan) -> None:
        url = plan.url
        if plan.connection_params is not None:
            url = with_query(url, "connectionParams=1")
        self._protocol = ClientProtocol(parse_uri(url))
        request = self._protocol.connect()
        headers = [("User-Agent", "tidewire-load"), *plan.headers]
        if plan.origin is not None:
            headers.append(("Origin", plan.origin))
        for name, _ in headers:
            request.headers.pop(name, None)
        for name, value in headers:
            request.headers[name] = value
        self._protocol.send_request(request)
        self.request: Final = b"".join(self._protocol.data_to_send())
        self._head = b""

    def feed(self, data: bytes) -> bytes | None:
        """Take what was read, and give what follows the answer, or None while that is not whole.

        Raises:
            HandshakeError: it is not the answer of a WebSocket server that lets us in.
        """
        self._head += data
        if self._head[: len(HEAD_BEGIN)] != HEAD_BEGIN[: len(self._head)]:
            raise HandshakeError("NOT_HTTP", "it answers, but not in HTTP/1.1")
        head, end, rest = self._head.partition(HEAD_END)
        if not end:
            if len(head) > HEAD_MAX:
                raise HandshakeError("NOT_HTTP", "the head of its answer does not end")
            return None
        status = head.partition(b"\r\n")[0].removeprefix(HEAD_BEGIN).decode("latin-1").strip()
        if status[:3] != "101":
            raise HandshakeError(
                f"HTTP_{status[:3]}", f"it answers the handshake with {status}, so no WebSocket is there"
            )
        self._protocol.receive_data(head + end)
        if self._protocol.handshake_exc is not None:
            raise HandshakeError("BAD_HANDSHAKE", f"its handshake is wrong: {self._protocol.handshake_exc}")
        return rest
