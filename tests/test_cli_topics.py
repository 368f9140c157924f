"""``depthwire topics``: what it prints can be used as it stands, and nothing of the grammar is left out."""

import shlex

import pytest

from depthwire.bybit.grammar import PRIVATE_KINDS, about, kinds_of, parse_topics
from depthwire.bybit.v2 import INVERSE, LINEAR, V2Dialect
from depthwire.cli import _parser, main
from depthwire.cli.targets import dialect_of, topics_of
from depthwire.errors import TopicError

BOTH = pytest.mark.parametrize("dialect", [INVERSE, LINEAR], ids=lambda dialect: dialect.name)


def printed(dialect: V2Dialect, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["topics", "--dialect", dialect.name]) == 0
    return capsys.readouterr().out


@BOTH
def test_every_kind_is_there_with_an_example_when_it_is_pushed_and_what_it_carries(
    dialect: V2Dialect, capsys: pytest.CaptureFixture[str]
) -> None:
    _, public, _, private, *_ = printed(dialect, capsys).split("\n\n")
    kinds = set()
    for table in (public, private):
        for line in table.splitlines():
            topic, rest = line.split(maxsplit=1)
            ((kind, _),) = parse_topics(topic, dialect.name)
            content, _, intervals = rest.partition("; intervals ")
            assert content.split("   ")[0].strip() == about(kind).pushed
            assert content.endswith(about(kind).content)
            assert (table is private) == (kind in PRIVATE_KINDS)
            kinds |= {kind, *(f"{kind.partition('.')[0]}.{interval}" for interval in intervals.split())}
    assert kinds == set(kinds_of(dialect.name))


@BOTH
def test_the_filters_that_it_shows_are_those_that_the_dialect_takes(
    dialect: V2Dialect, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [line.split(maxsplit=1) for line in printed(dialect, capsys).splitlines() if line.startswith("  trade")]
    filters = {topic: meaning for topic, meaning in rows if "every" not in meaning}
    assert len(filters) == 4
    for topic, meaning in filters.items():
        if "not on" in meaning:
            with pytest.raises(TopicError):
                parse_topics(topic, dialect.name)
        else:
            assert parse_topics(topic, dialect.name)
    assert sum("not on" in meaning for meaning in filters.values()) == (2 if dialect is LINEAR else 0)


@BOTH
def test_its_examples_are_commands_that_run(
    dialect: V2Dialect, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPTHWIRE_API_KEY", "key")
    monkeypatch.setenv("DEPTHWIRE_API_SECRET", "secret")
    commands = [line for line in printed(dialect, capsys).splitlines() if line.startswith("  depthwire ")]
    assert len(commands) == 4
    for command in commands:
        arguments = _parser().parse_args(shlex.split(command)[1:])
        spoken = dialect_of(arguments.url) if arguments.url else dialect
        assert spoken is dialect
        assert topics_of(arguments.targets, spoken, 25)
