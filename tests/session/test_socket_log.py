"""What a program's logging is given: the levels are the program's, and no peer makes us print a traceback."""

import asyncio
import logging
import socket
import ssl
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import depthwire
from depthwire import errors
from depthwire.venue import SyntheticMarket, Venue
from tests.support.plain_client import run
from tests.support.sim_client import QUICK, simulated


@contextmanager
def root_records(level: int) -> Iterator[list[logging.LogRecord]]:
    """What reaches the root logger's handlers while it has a level."""
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    root = logging.getLogger()
    before = root.level
    root.setLevel(level)
    root.addHandler(handler)
    try:
        yield records
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO, logging.WARNING])
def test_what_is_logged_follows_the_programs_level(level: int) -> None:
    async def main() -> None:
        async with simulated() as (_, client):
            await client.book("BTCUSD")

    with root_records(level) as records:
        run(main)
    ours = [record for record in records if record.name.startswith("depthwire")]
    assert all(record.levelno >= level for record in ours)
    if level <= logging.INFO:
        assert {"depthwire.socket", "depthwire.venue.socket"} <= {record.name for record in ours}


def test_importing_and_using_it_sets_no_level() -> None:
    script = """
import logging, depthwire.blocking, depthwire.venue, depthwire.compat
with depthwire.blocking.connect("sim://") as client:
    client.book("BTCUSD")
for name, logger in logging.root.manager.loggerDict.items():
    if name.startswith("depthwire") and isinstance(logger, logging.Logger):
        assert logger.level == logging.NOTSET, name
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("face", [asyncio.run, depthwire.run], ids=["asyncio", "uvloop"])
def test_a_failed_tls_handshake_is_nothing_to_print(face: object, certificate: Path) -> None:
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")

    async def answered(where: tuple[str, int], greeting: bytes) -> None:
        """What a client is answered that speaks no TLS: the end of its connection, if with an alert."""
        reader, writer = await asyncio.open_connection(*where)
        writer.write(greeting)
        try:
            await reader.read()
        except ConnectionResetError:
            pass
        finally:
            writer.close()

    def reset(where: tuple[str, int]) -> None:
        """A client that breaks off in the middle of the handshake."""
        with socket.create_connection(where) as sock:
            sock.sendall(b"\x16\x03\x01")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async def main() -> None:
        told: list[dict[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        async with Venue(SyntheticMarket(), ssl=serving) as venue:
            address, _, port = venue.inverse_url.removeprefix("wss://").partition("/")[0].partition(":")
            with pytest.raises(errors.ConnectError, match="certificate"):
                async with depthwire.connect(venue.inverse_url, settings=QUICK):
                    pass
            await answered((address, int(port)), b"GET /realtime HTTP/1.1\r\n\r\n")
            await asyncio.to_thread(reset, (address, int(port)))
            trusting = ssl.create_default_context(cafile=str(certificate / "cert.pem"))
            trusting.check_hostname = False
            async with depthwire.connect(venue.inverse_url, settings=QUICK, ssl_context=trusting) as client:
                await client.book("BTCUSD")
        assert told == []

    with root_records(logging.INFO) as records:
        face(main())  # type: ignore[operator]
    assert [record for record in records if record.levelno >= logging.WARNING] == []
