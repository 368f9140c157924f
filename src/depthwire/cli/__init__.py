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

# Our own error describes a failed connection better than asyncio does.
_TERSE = {"depthwire": logging.WARNING, "asyncio": logging.CRITICAL}
_VERBOSE = {"depthwire": logging.DEBUG, "asyncio": logging.INFO}

_EXIT_CODES = f"""\
exit codes:
  {OK:<4} all went well, or the reader of our output wanted no more
  {FAILURE:<4} it failed: stderr says why, in one line
  {USAGE:<4} the command line is wrong: an option, a URL, a topic or a symbol that cannot be one
  {INTERRUPTED:<4} interrupted by Ctrl-C
  {TERMINATED:<4} ended by SIGTERM
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit code; ``argv`` is ``sys.argv[1:]`` by default.

    Raises SystemExit, as argparse does, after --help, --version and on arguments that cannot be parsed.
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
        description="Bybit's market data and accounts: watch, record and replay them, or run the exchange yourself.",
        epilog="Try it without an exchange:\n  depthwire demo\n\n" + _EXIT_CODES,
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
        subparser.add_argument("-v", "--verbose", action="store_true", help="tell on stderr what goes on")
        subparser.set_defaults(run=command.run)
    return parser
