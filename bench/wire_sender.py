"""The sender of part 3: ``python wire_sender.py FRAMES STAMPS PLAN CERTIFICATE CPU``; prints its port.

A WebSocket server for one client, on a blocking socket: answers its subscription, sends the snapshot, then each phase
of the plan, every frame at its own time whether or not the receiver keeps up. STAMPS is memory that the receiver
shares: once it has stamped a phase's last frame, the next phase begins. Prints when each frame should have been sent.
"""

import base64
import hashlib
import json
import mmap
import os
import socket
import ssl
import sys
from time import monotonic_ns, sleep

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
PAUSE_S = 0.1
PATIENCE_S = 20
LEAD_NS = 20_000_000


def framed(payload: bytes) -> bytes:
    """A text frame from a server."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 1 << 16:
        return bytes((0x81, 126)) + size.to_bytes(2, "big") + payload
    return bytes((0x81, 127)) + size.to_bytes(8, "big") + payload


def take(connection: socket.socket, size: int) -> bytes:
    taken = b""
    while len(taken) < size:
        some = connection.recv(size - len(taken))
        if not some:
            raise EOFError("the receiver closed the connection")
        taken += some
    return taken


def shake_hands(connection: socket.socket) -> None:
    request = b""
    while not request.endswith(b"\r\n\r\n"):
        request += take(connection, 1)
    headers = dict(line.split(b": ", 1) for line in request.split(b"\r\n")[1:] if b": " in line)
    key = {name.lower(): value for name, value in headers.items()}[b"sec-websocket-key"]
    accept = base64.b64encode(hashlib.sha1(key + GUID).digest())  # noqa: S324  # as RFC 6455 has it
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


def answer_subscription(connection: socket.socket) -> None:
    _, length = take(connection, 2)
    size = length & 0x7F
    if size == 126:
        size = int.from_bytes(take(connection, 2), "big")
    mask = take(connection, 4)
    payload = bytes(byte ^ mask[index % 4] for index, byte in enumerate(take(connection, size)))
    answer = {"success": True, "ret_msg": "", "conn_id": "bench", "request": json.loads(payload)}
    connection.sendall(framed(json.dumps(answer).encode()))


def await_stamp(stamps: "memoryview[int]", index: int) -> None:
    end = monotonic_ns() + PATIENCE_S * 1_000_000_000
    while not stamps[index]:
        if monotonic_ns() > end:
            raise TimeoutError(f"the receiver has not reached frame {index} within {PATIENCE_S} s")
        sleep(0.001)


def send(connection: socket.socket, frames: list[bytes], per_second: int) -> list[int]:
    """Send frames at a rate per second, or all at once if it is 0; return their scheduled times."""
    if not per_second:
        start = monotonic_ns()
        connection.sendall(b"".join(frames))
        return [start] * len(frames)
    start, step = monotonic_ns() + LEAD_NS, 1_000_000_000 // per_second
    times = [start + number * step for number in range(len(frames))]
    for due, frame in zip(times, frames, strict=True):
        while monotonic_ns() < due:
            pass
        connection.sendall(frame)
    return times


def main(frames_path: str, stamps_path: str, plan: str, certificate: str, cpu: str) -> None:
    if int(cpu) >= 0:
        os.sched_setaffinity(0, {int(cpu)})
    with open(frames_path, "rb") as file:
        frames = [framed(line.rstrip(b"\n")) for line in file]
    with open(stamps_path, "r+b") as file:
        stamps = memoryview(mmap.mmap(file.fileno(), 0)).cast("q")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE_S)
        print(server.getsockname()[1], flush=True)
        connection, _ = server.accept()
    connection.settimeout(PATIENCE_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{certificate}/cert.pem", f"{certificate}/key.pem")
        connection = context.wrap_socket(connection, server_side=True)
    shake_hands(connection)
    answer_subscription(connection)
    connection.sendall(frames[0])
    await_stamp(stamps, 0)
    first, times = 1, [0]
    for phase in plan.split(","):
        per_second, count = map(int, phase.split(":"))
        sleep(PAUSE_S)
        times += send(connection, frames[first : first + count], per_second)
        first += count
        await_stamp(stamps, first - 1)
    print(*times, flush=True)
    sys.stdin.read()  # the parent ends both, so that no receiver has to end a connection


if __name__ == "__main__":
    main(*sys.argv[1:])
