"""Behaviour common to all commands: help, version, one-line errors, exit codes, signals, pipes."""

import signal
import socket
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import depthwire
from depthwire.cli import main
from tests.support.cli_process import BOUND_S, COMMAND, NEEDS_SIGNALS, lines_told, started, synthetic, write_tape

NAMES = ("watch", "topics", "record", "replay", "venue", "demo")


@pytest.mark.parametrize("arguments", [["--help"], *([name, "--help"] for name in NAMES)])
def test_help_gives_an_example_and_the_exit_codes(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 0
    out, _ = capsys.readouterr()
    assert "\n  depthwire " in out
    assert "130  interrupted by Ctrl-C" in out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--version"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"depthwire {depthwire.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "COMMAND"),
        (["watch", "BTCUSD"], "--url --sim"),
        (["watch", "btcusd", "--sim"], "invalid symbol 'btcusd'; expected one like 'BTCUSD'"),
        (["watch", "BTCUSD", "--sim", "--depth", "deep"], "--depth"),
        (["watch", "BTCUSD", "--sim", "--seconds", "0"], "invalid value '0': expected a number above 0"),
        (["watch", "BTCUSD", "--sim", "--seconds", "nan"], "invalid value 'nan': expected a number above 0"),
        (
            ["record", "BTCUSD", "--url", "sim://", "--frames", "-1"],
            "invalid value '-1': expected a whole number above 0",
        ),
        (["venue", "--port", "65536"], "invalid port '65536'"),
        (["venue", "--speed", "fast"], "invalid value 'fast': expected a number above 0"),
        (["venue", "--faults", "dorp=1"], "unknown fault 'dorp': expected one of drop, "),
        (["venue", "--faults", "drop=2"], "expected drop=RATE"),
        (["replay"], "TAPE"),
    ],
)
def test_a_wrong_command_line_is_exit_code_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("command", [["watch"], ["record", "--out", "never.frames"]])
@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        ("http://127.0.0.1/realtime", 2, "not a WebSocket URL"),
        ("ws://127.0.0.1:1/elsewhere", 2, "/realtime_public"),
        ("ws://user:secret@127.0.0.1:1/elsewhere?api_key=secret", 2, "not a known endpoint"),
        ("ws://127.0.0.1:{refused}/realtime", 1, "onnect"),
        ("wss://127.0.0.1:{plain}/realtime", 1, "TLS"),
        ("ws://127.0.0.1:{plain}/realtime", 1, "400"),
    ],
)
def test_a_connection_that_cannot_be_is_one_line(
    command: list[str], url: str, code: int, said: str, capsys: pytest.CaptureFixture[str], plain_port: int
) -> None:
    with socket.socket() as refusing:
        refusing.bind(("127.0.0.1", 0))  # bound, but not listening
        url = url.format(refused=refusing.getsockname()[1], plain=plain_port)
        assert main([*command, "BTCUSD", "--url", url]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith("depthwire: error: ")
    assert said in err
    assert "secret" not in err
    assert not Path("never.frames").exists()


class PlainHandler(socketserver.BaseRequestHandler):
    """A server that answers like a web server without TLS."""

    def handle(self) -> None:
        self.request.recv(4096)
        self.request.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


@pytest.fixture(scope="module")
def plain_port() -> Iterator[int]:
    with socketserver.TCPServer(("127.0.0.1", 0), PlainHandler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join(BOUND_S)


def test_a_symbol_that_the_venue_refuses_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "BTCUSD", "DOGEUSD", "--sim"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert len(lines_told(err)) == 1
    assert "orderBookL2_25.DOGEUSD" in err


@NEEDS_SIGNALS
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_command_without_a_traceback(number: signal.Signals, code: int) -> None:
    with started("watch", "BTCUSD", "--sim") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        _, err = process.communicate(timeout=BOUND_S)
    assert (process.returncode, err) == (code, "")


@pytest.mark.parametrize("name", ["watch", "replay"])
def test_a_reader_that_has_enough_ends_a_command_in_silence(name: str, tmp_path: Path) -> None:
    tape = write_tape(tmp_path / "a.frames", synthetic(10, "orderBookL2_25.BTCUSD"))
    arguments = {"watch": ["watch", "BTCUSD", "--sim", "--json"], "replay": ["replay", str(tape)]}[name]
    with subprocess.Popen((*COMMAND, *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        if name == "watch":
            process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(BOUND_S) == 0
    assert err == b""


def test_verbose_tells_more(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "BTCUSD", "--sim", "--seconds", "0.1", "--verbose"]) == 0
    assert "depthwire: " in capsys.readouterr().err
