"""Which request an answer belongs to, without a socket and by a clock that the tests give."""

from itertools import permutations
from typing import Any

import pytest

from depthwire.bybit.dialect import Answer, RequestKey
from depthwire.session.requests import Request, Requests

Outcomes = list[Answer | Exception]


def sent(
    requests: Requests, key: RequestKey, *topics: str, now_s: float = 0.0, timeout_s: float | None = 10.0
) -> tuple[Request, Outcomes]:
    outcomes: Outcomes = []
    return requests.add(key, topics, outcomes.append, now_s=now_s, timeout_s=timeout_s), outcomes


def yes(op: str, *name: str) -> Answer:
    return Answer((op, name), True, "")


def by_topic(**named: str) -> Answer:
    return Answer(("", ()), not any(named.values()), "", by_topic=named)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_answers_with_a_request_id_come_in_any_order(order: tuple[int, ...]) -> None:
    requests = Requests()
    outcomes = [sent(requests, ("subscribe", (str(number),)))[1] for number in range(3)]
    for number in order:
        answer = yes("subscribe", str(number))
        assert requests.answered(answer)
        assert outcomes[number] == [answer]


def test_an_answer_without_an_id_goes_to_the_oldest_request_of_its_operation() -> None:
    requests = Requests()
    first, second = (sent(requests, ("subscribe", (name,)))[1] for name in "ab")
    ping = sent(requests, ("ping", ("c",)))[1]
    assert requests.answered(yes("subscribe"))
    assert (len(first), len(second), len(ping)) == (1, 0, 0)
    assert requests.answered(yes("ping"))
    assert (len(first), len(second), len(ping)) == (1, 0, 1)


def test_equal_requests_are_answered_in_the_order_in_which_they_were_sent() -> None:
    requests = Requests()
    first, second = (sent(requests, ("ping", ()))[1] for _ in range(2))
    requests.answered(yes("ping"))
    assert (len(first), len(second)) == (1, 0)
    requests.answered(yes("ping"))
    assert (len(first), len(second)) == (1, 1)


@pytest.mark.parametrize("answer", [yes("subscribe", "9"), yes("unsubscribe"), by_topic(x=""), by_topic()])
def test_an_answer_that_no_request_waits_for_is_not_taken(answer: Answer) -> None:
    requests = Requests()
    _, outcomes = sent(requests, ("subscribe", ("1",)))
    assert not requests.answered(answer)
    assert outcomes == []


def test_a_duplicate_and_a_late_answer_are_not_taken() -> None:
    requests = Requests()
    answer = yes("subscribe", "1")
    _, outcomes = sent(requests, ("subscribe", ("1",)))
    assert [requests.answered(answer) for _ in range(2)] == [True, False]
    given_up, late = sent(requests, ("subscribe", ("1",)))
    assert [requests.remove(given_up) for _ in range(2)] == [True, False]
    assert not requests.answered(answer)
    requests.expire(given_up, 1e9)
    assert (len(outcomes), late) == (1, [])


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_answers_by_topic_are_told_apart_in_any_order(order: tuple[int, ...]) -> None:
    requests = Requests()
    topics = ("ab", "cd", "bx")  # two of them share b
    outcomes = [sent(requests, ("subscribe", (str(at),)), *names)[1] for at, names in enumerate(topics)]
    for number in order:
        assert requests.answered(by_topic(**dict.fromkeys(topics[number], "")))
    for number, (outcome,) in enumerate(outcomes):
        assert isinstance(outcome, Answer)
        assert outcome.by_topic == dict.fromkeys(topics[number], "")
        assert outcome.key == ("subscribe", (str(number),))


def test_a_request_is_answered_when_several_answers_have_named_all_of_its_topics() -> None:
    requests = Requests()
    _, outcomes = sent(requests, ("subscribe", ("1",)), "a", "b")
    requests.answered(by_topic(a="refused", other=""))
    assert outcomes == []
    requests.answered(by_topic(b=""))
    (answer,) = outcomes
    assert isinstance(answer, Answer)
    assert (answer.success, answer.reason, answer.by_topic) == (False, "refused", {"a": "refused", "b": ""})
    assert [answer.refusal(topic) for topic in "ab"] == ["refused", ""]


def test_an_answer_by_topic_that_names_none_ends_the_oldest_request_for_topics() -> None:
    requests = Requests()
    ping = sent(requests, ("ping", ()))[1]
    _, outcomes = sent(requests, ("subscribe", ("1",)), "a")
    assert requests.answered(by_topic())
    (answer,) = outcomes
    assert isinstance(answer, Answer)
    assert "does not name it" in answer.refusal("a")
    assert ping == []


def test_a_request_times_out_at_its_time_and_not_before() -> None:
    requests = Requests()
    request, outcomes = sent(requests, ("subscribe", ("1",)), "a", now_s=100.0, timeout_s=10.0)
    assert request.due_s == (105.0, 110.0)
    for now_s in (100.0, 105.0, 109.9):
        requests.expire(request, now_s)
        assert outcomes == []
    requests.expire(request, 110.0)
    requests.expire(request, 110.0)
    assert [type(outcome) for outcome in outcomes] == [TimeoutError]
    assert not requests.answered(yes("subscribe", "1"))


def test_topics_named_by_half_of_the_time_are_the_answer() -> None:
    requests = Requests()
    request, outcomes = sent(requests, ("subscribe", ("1",)), "a", "b", now_s=100.0, timeout_s=10.0)
    requests.answered(by_topic(a=""))
    requests.expire(request, 104.9)
    assert outcomes == []
    requests.expire(request, 105.0)
    (answer,) = outcomes
    assert isinstance(answer, Answer)
    assert [bool(answer.refusal(topic)) for topic in "ab"] == [False, True]


@pytest.mark.parametrize(("timeout_s", "expected"), [(None, ()), (4.0, (4.0,))])
def test_a_request_without_topics_has_one_deadline_or_none(timeout_s: float | None, expected: Any) -> None:
    requests = Requests()
    request, outcomes = sent(requests, ("ping", ()), timeout_s=timeout_s)
    assert request.due_s == expected
    requests.expire(request, 1e9)
    assert len(outcomes) == len(expected)


def test_a_lost_connection_fails_all_requests_once() -> None:
    requests, lost = Requests(), ConnectionError("lost")
    outcomes = [sent(requests, ("ping", ()))[1] for _ in range(3)]
    requests.fail(lost)
    requests.fail(ConnectionError("again"))
    assert outcomes == [[lost]] * 3


def test_an_answer_may_send_the_next_request() -> None:
    requests = Requests()
    outcomes: Outcomes = []

    def again(outcome: Answer | Exception) -> None:
        requests.add(("ping", ()), (), outcomes.append, now_s=0.0, timeout_s=None)

    requests.add(("ping", ()), (), again, now_s=0.0, timeout_s=None)
    assert requests.answered(yes("ping"))
    assert requests.answered(yes("ping"))
    assert len(outcomes) == 1
