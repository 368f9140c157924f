"""A command on a separate terminal of a given size."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios

from tests.support.cli_process import BOUND_S, COMMAND

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def screens(*arguments: str, columns: int = 80, rows: int = 24) -> list[str]:
    """All lines that a command draws until it ends, without colours."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    with subprocess.Popen(
        (*COMMAND, *arguments), stdin=its, stdout=its, stderr=its, env={**environment, "TERM": "xterm"}
    ) as process:
        os.close(its)
        drawn = bytearray()
        try:
            while chunk := os.read(ours, 1 << 16):
                drawn += chunk
        except OSError:
            pass  # Linux's way to report that the other end is closed
        finally:
            os.close(ours)
        assert process.wait(BOUND_S) == 0, drawn
    return [line.rstrip() for line in _ESCAPE.sub("", drawn.decode()).splitlines()]
