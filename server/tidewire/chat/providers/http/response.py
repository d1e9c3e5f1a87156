"""One response, out of the bytes of its connection."""

from collections.abc import Callable

import httptools
import httpx2


class ResponseParser:
    """Takes bytes as they come, and holds what of the body has not been fetched yet.

    Interim responses (1xx) are skipped. The answer to a HEAD request is not understood.
    """

    def __init__(self) -> None:
        self.status: int = 0
        self.reason: bytes = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.pieces: list[bytes] = []
        self.on_body: Callable[[bytes], None] = self.pieces.append
        self.has_head: bool = False
        """Status and headers are known."""
        self.complete: bool = False
        """The body has come to its own end."""
        self.reusable: bool = False
        """The connection may serve another request: nothing has come after the end."""
        self._parser = httptools.HttpResponseParser(self)
        # As other clients do; on a connection for one request at a time they can do no harm.
        self._parser.set_dangerous_leniencies(
            lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )

    def feed(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            RemoteProtocolError: they are not HTTP.
        """
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.reusable = False
            if not self.complete:
                raise httpx2.RemoteProtocolError(f"This is not HTTP: {error}") from None

    def end(self) -> None:
        """The server has closed the connection, which is how a body without a length ends.

        Raises:
            RemoteProtocolError: there was more to come.
        """
        self.reusable = False
        if not self.complete and (not self.has_head or self._has_length()):
            raise httpx2.RemoteProtocolError(
                "The connection was closed before the end of the "
                + ("body." if self.has_head else "headers.")
            )
        self.complete = True

    def _has_length(self) -> bool:
        fields = {name.lower(): value.lower() for name, value in self.headers}
        coding = fields.get(b"transfer-encoding")
        return b"content-length" in fields if coding is None else coding.endswith(b"chunked")

    # What the parser calls.

    def on_message_begin(self) -> None:
        if self.complete:
            raise ValueError("A second response.")
        self.reason = b""
        self.headers = []

    def on_status(self, reason: bytes) -> None:
        self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self.has_head = self.status >= 200

    def on_message_complete(self) -> None:
        if self.has_head:
            self.complete = True
            self.reusable = self._parser.should_keep_alive()
