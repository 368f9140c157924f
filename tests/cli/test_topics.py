"""``depthwire topics``: what it prints is valid, and it lists the whole grammar."""

import shlex

import pytest

from depthwire.bybit.dialect import Dialect
from depthwire.bybit.v2 import dialect as v2
from depthwire.cli import _parser, main
from depthwire.cli.targets import DIALECTS, dialect_of, topics_of
from depthwire.errors import TopicError

ALL = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
PATTERNS_REFUSED = {v2.INVERSE: 0, v2.LINEAR: 2}


def printed(dialect: Dialect, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["topics", "--dialect", dialect.name]) == 0
    return capsys.readouterr().out


@ALL
def test_every_kind_is_there_with_an_example_when_it_is_pushed_and_what_it_carries(
    dialect: Dialect, capsys: pytest.CaptureFixture[str]
) -> None:
    _, public, _, private, *_ = printed(dialect, capsys).split("\n\n")
    kinds = set()
    for table in (public, private):
        for line in table.splitlines():
            topic, rest = line.split(maxsplit=1)
            (found,) = dialect.parse(topic)
            kind = found.kind
            content, _, intervals = rest.partition("; intervals ")
            assert content.split("   ")[0].strip() == dialect.about(kind).pushed
            assert content.endswith(dialect.about(kind).content)
            assert (table is private) == found.is_private
            kinds |= {kind, *(f"{kind.partition('.')[0]}.{interval}" for interval in intervals.split())}
    assert kinds == set(dialect.kinds)


@ALL
def test_the_filters_that_it_shows_are_those_that_the_dialect_takes(
    dialect: Dialect, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        line.split(maxsplit=1)
        for line in printed(dialect, capsys).splitlines()
        if line.startswith(f"  {dialect.trade_kind}")
    ]
    filters = {topic: meaning for topic, meaning in rows if "every" not in meaning}
    assert len(filters) == 4
    for topic, meaning in filters.items():
        if "not available" in meaning:
            with pytest.raises(TopicError):
                dialect.parse(topic)
        else:
            assert dialect.parse(topic)
    assert sum("not available" in meaning for meaning in filters.values()) == PATTERNS_REFUSED.get(dialect, 3)


@ALL
def test_its_examples_are_commands_that_run(
    dialect: Dialect, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPTHWIRE_API_KEY", "key")
    monkeypatch.setenv("DEPTHWIRE_API_SECRET", "secret")
    commands = [line for line in printed(dialect, capsys).splitlines() if line.startswith("  depthwire ")]
    assert len(commands) == 4
    for command in commands:
        arguments = _parser().parse_args(shlex.split(command)[1:])
        given = arguments.url[0] if isinstance(arguments.url, list) else arguments.url  # watch takes several
        spoken = dialect_of(given) if given else dialect
        assert spoken is dialect
        assert topics_of(arguments.targets, spoken, None)
