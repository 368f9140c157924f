"""Small proxies on loopback, real ones: HTTP and SOCKS5, with and without a password, and TLS around them."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Proxy:
    """Tunnels for those who know ``me:hush``; ``asked`` holds the targets that were asked for."""

    def __init__(self, credentials: str) -> None:
        self.asked: list[str] = []
        self.port = 0
        self.credentials = credentials
        self._tunnels: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tunnels.add(task)
        try:
            await self.tunnel(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self._tunnels.discard(task)

    async def tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise NotImplementedError

    async def end_tunnels(self) -> None:
        tunnels = tuple(self._tunnels)
        for tunnel in tunnels:
            tunnel.cancel()
        await asyncio.gather(*tunnels, return_exceptions=True)


class ConnectProxy(Proxy):
    """An HTTP proxy, asked with CONNECT; ``status`` is its answer."""

    def __init__(self, credentials: str, status: int = 200) -> None:
        super().__init__(credentials)
        self._wanted = f"Basic {base64.b64encode(credentials.encode()).decode()}" if credentials else None
        self._status = status

    async def tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *lines = head.split("\r\n")
        verb, target, _ = line.split(" ")
        fields = dict(each.split(": ", 1) for each in lines if each)
        assert verb == "CONNECT"
        self.asked.append(target)
        status = self._status if fields.get("Proxy-Authorization") == self._wanted else 407
        if status != 200:
            writer.write(f"HTTP/1.1 {status} No\r\n\r\n".encode())
            return
        host, _, port = target.rpartition(":")
        await joined(reader, writer, host, int(port), b"HTTP/1.1 200 Connection established\r\n\r\n")


class SocksProxy(Proxy):
    """SOCKS5 (RFC 1928, 1929); ``reply`` is its answer to CONNECT, ``hosts`` the names that it knows."""

    def __init__(self, credentials: str, reply: int = 0) -> None:
        super().__init__(credentials)
        self._reply = reply
        self.hosts = {"venue.test": "127.0.0.1"}

    async def tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        version, count = await reader.readexactly(2)
        assert version == 5
        methods = await reader.readexactly(count)
        method = 2 if self.credentials else 0
        if method not in methods:
            writer.write(b"\x05\xff")
            return
        writer.write(bytes([5, method]))
        if method:
            (_, length) = await reader.readexactly(2)
            name = await reader.readexactly(length)
            password = await reader.readexactly((await reader.readexactly(1))[0])
            known = f"{name.decode()}:{password.decode()}" == self.credentials
            writer.write(b"\x01\x00" if known else b"\x01\x01")
            if not known:
                return
        _, command, _, kind = await reader.readexactly(4)
        assert command == 1
        if kind == 3:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        else:
            host = ".".join(map(str, await reader.readexactly(4)))
        port = int.from_bytes(await reader.readexactly(2), "big")
        self.asked.append(f"{host}:{port}")
        answer = bytes([5, self._reply, 0, 1]) + bytes(6)
        if self._reply:
            writer.write(answer)
            return
        await joined(reader, writer, self.hosts.get(host, host), port, answer)


async def joined(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int, answer: bytes
) -> None:
    """Say yes, and carry bytes either way until one side ends."""
    far_reader, far_writer = await asyncio.open_connection(host, port)
    writer.write(answer)
    try:
        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))
    finally:
        far_writer.close()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


@asynccontextmanager
async def running(proxy: Proxy, tls: ssl.SSLContext | None = None) -> AsyncIterator[Proxy]:
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, ssl=tls)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.end_tunnels()


@asynccontextmanager
async def connect_proxy(credentials: str = "", status: int = 200) -> AsyncIterator[Proxy]:
    async with running(ConnectProxy(credentials, status)) as proxy:
        yield proxy
