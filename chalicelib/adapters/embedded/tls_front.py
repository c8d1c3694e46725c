"""TLS for cameras and apps on the local network, in front of the server, which stays on loopback: bytes are relayed."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
import weakref
from pathlib import Path

CERTIFICATE, KEY = "server.pem", "server.key"
PIECE_BYTES = 64 * 1024
# Whoever does not speak TLS is let go, and holds up nobody meanwhile.
HANDSHAKE_TIMEOUT_S = 10.0
START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 2.0
CLOSING_S = 0.05
BACKLOG = 1024
MOST_CONNECTIONS = 512


class TlsFront:
    """Listens from `start` to `stop`, in one thread."""

    def __init__(self, address: tuple[str, int], folder: Path, server_port: int) -> None:
        """folder: where `make certificate` left certificate and key. Raises: OSError when they cannot be used."""
        self._address = address
        self._server_port = server_port
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            self._context.load_cert_chain(folder / CERTIFICATE, folder / KEY)
        except OSError as error:
            raise OSError(
                f"the certificate in {folder} cannot be used ({error}); 'make certificate' makes one"
            ) from error
        self._loop = asyncio.new_event_loop()
        self._places = asyncio.Semaphore(MOST_CONNECTIONS)
        self._relays: set[asyncio.Task[None]] = set()
        self._transports: weakref.WeakSet[asyncio.WriteTransport] = weakref.WeakSet()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tls", daemon=True)
        self._is_ending = False
        self.port = 0

    def start(self) -> None:
        """Raises: OSError when the address is taken."""
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(START_TIMEOUT_S)
        self.port = int(self._server.sockets[0].getsockname()[1])

    def stop(self) -> None:
        """Answers that are on their way arrive, within a bound."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(
            self._take,
            *self._address,
            ssl=self._context,
            ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S,
            backlog=BACKLOG,
        )

    async def _end(self) -> None:
        self._server.close()
        await self._wait_for_relays()
        self._is_ending = True
        # Not waited for one by one: before Python 3.12 a TLS connection whose client has gone may never be closed.
        for transport in self._transports:
            transport.abort()
        await self._wait_for_relays()
        await asyncio.sleep(CLOSING_S)

    async def _wait_for_relays(self) -> None:
        if self._relays:
            await asyncio.wait(self._relays, timeout=STOP_TIMEOUT_S)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        relay = asyncio.current_task()
        if self._is_ending:
            writer.transport.abort()
            return
        assert relay is not None
        self._relays.add(relay)
        self._transports.add(writer.transport)
        try:
            async with self._places:
                await self._relay(reader, writer)
        except OSError:
            # The server is not there, or no longer.
            return
        finally:
            writer.close()
            self._relays.discard(relay)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Raises: OSError."""
        answers, server = await asyncio.open_connection("127.0.0.1", self._server_port)
        self._transports.add(server.transport)
        questions = asyncio.create_task(_copy(reader, server))
        try:
            # The server closes a connection that idles: then it is over on this side, too.
            await _copy(answers, writer)
        finally:
            questions.cancel()
            server.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """To its end, or until one of the two has gone; then the other is told."""
    with contextlib.suppress(OSError):
        while piece := await reader.read(PIECE_BYTES):
            writer.write(piece)
            await writer.drain()
    with contextlib.suppress(OSError):
        if writer.can_write_eof():
            writer.write_eof()
