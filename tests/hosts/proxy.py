"""A plain TCP proxy before several API processes: a connection goes to the first that takes it, in turn."""

from __future__ import annotations

import asyncio
import contextlib
import threading


class Proxy:
    """Listens on one address from `start` on; a back-end that does not answer within five seconds is passed over."""

    def __init__(self, address: str, backends: list[tuple[str, int]]) -> None:
        """Listen on a free port of `address`."""
        self._backends = backends
        self._turn = 0
        self._connections: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, address, 0))
        self.url = f"http://{address}:{self._server.sockets[0].getsockname()[1]}"
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._turn += 1
        self._connections.add(writer)
        for number in range(len(self._backends)):
            backend = self._backends[(self._turn + number) % len(self._backends)]
            try:
                there, back = await asyncio.wait_for(asyncio.open_connection(*backend), 5)
            except (OSError, TimeoutError):
                continue
            self._connections.add(back)
            with contextlib.suppress(OSError):
                await asyncio.gather(self._copy(reader, back), self._copy(there, writer))
            self._connections.discard(back)
            break
        writer.close()
        self._connections.discard(writer)

    @staticmethod
    async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(1 << 16):
                target.write(data)
                await target.drain()
        finally:
            target.close()

    def close(self) -> None:
        """Stop listening."""

        async def end() -> None:
            self._server.close()
            for connection in list(self._connections):
                connection.close()

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()
