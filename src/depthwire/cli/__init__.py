"""The ``depthwire`` command: ``watch``, ``topics``, ``record``, ``replay``, ``venue`` and ``demo``."""

import argparse
import asyncio
import logging
from contextlib import suppress

from depthwire import __version__
from depthwire.cli import demo, record, replay, topics, venue, watch
from depthwire.cli.command import FAILURE, INTERRUPTED, OK, TERMINATED, USAGE
from depthwire.cli.output import OutputClosed, log_levels, log_lines, open_standard_streams, say
from depthwire.errors import DepthwireError, InvalidUrl, TopicError

__all__ = ["main"]

_COMMANDS = (watch.COMMAND, topics.COMMAND, record.COMMAND, replay.COMMAND, venue.COMMAND, demo.COMMAND)

# depthwire's own error describes a failed connection better than asyncio's log does.
_TERSE = {"depthwire": logging.WARNING, "asyncio": logging.CRITICAL}
_VERBOSE = {"depthwire": logging.DEBUG, "asyncio": logging.INFO}

_EXAMPLES = """\
examples:
  depthwire demo               try it without a network connection
  depthwire watch --help       show the options of a command

"""
_EXIT_CODES = f"""\
exit codes:
  {OK:<4} success, or the reader of stdout closed the pipe
  {FAILURE:<4} failure; stderr gives the reason in one line
  {USAGE:<4} invalid command line: an option, URL, topic or symbol
  {INTERRUPTED:<4} interrupted by Ctrl-C
  {TERMINATED:<4} terminated by SIGTERM
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit code. ``argv`` defaults to ``sys.argv[1:]``.

    Raises SystemExit, as argparse does, for --help, --version and invalid arguments.
    """
    open_standard_streams()
    arguments = _parser().parse_args(argv)
    try:
        with log_lines("depthwire", "asyncio"), log_levels(_VERBOSE if arguments.verbose else _TERSE):
            code: int = arguments.run(arguments)
            return code
    except OutputClosed:
        return OK
    except KeyboardInterrupt:
        return INTERRUPTED
    except asyncio.CancelledError:
        return TERMINATED
    except (InvalidUrl, TopicError) as error:
        return _failed(error, USAGE)
    except (DepthwireError, OSError) as error:
        return _failed(error, FAILURE)


def _failed(error: Exception, code: int) -> int:
    with suppress(OutputClosed):
        say(f"error: {error}")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="depthwire",
        description="Watch, record and replay Bybit market data and account events, or run an exchange locally.",
        epilog=_EXAMPLES + _EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"depthwire {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        subparser = commands.add_parser(
            command.name,
            help=command.summary,
            description=command.summary[0].upper() + command.summary[1:] + ".",
            epilog=f"{command.details}\n{_EXIT_CODES}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.configure(subparser)
        subparser.add_argument("-v", "--verbose", action="store_true", help="log what happens to stderr")
        subparser.set_defaults(run=command.run)
    return parser
