"""Who is asked through the gateway, when it is told, and in which words."""

from __future__ import annotations

import threading
import time

import pytest

from agent import asker as module
from agent.asker import Asker
from agent.asking import Question, Tried
from functions.api import AtGateway
from functions.api import GatewayTrouble as Trouble

ONE = Question("models.example.org", "/team-a/chat/v1/models", "k" * 32)
REFUSED = Tried(Trouble.KEY_REFUSED, "the gateway answers 401")


class World:
    """A Model, what it answers, and what is told of it."""

    def __init__(self) -> None:
        self.questions = {"chat-1": ONE}
        self.serves = self.resolves = True
        self.answer = Tried()
        self.asked: list[Question] = []
        self.told: list[AtGateway | None] = []

    def ask(self, question: Question) -> Tried:
        self.asked.append(question)
        return self.answer

    def asker(self, *, here: bool = False) -> Asker:
        return Asker(
            lambda: self.questions,
            lambda _: self.serves,
            self.ask,
            lambda _: self.resolves,
            lambda _, told: self.told.append(told),
            clients_are_here=here,
        )


def look(asker: Asker, times: int = 1) -> None:
    for _ in range(times):
        for namespace, record in asker._due():
            asker.look(namespace, record.question, record)


def test_an_answer_is_told_at_once_and_a_failure_once_it_lasts() -> None:
    world = World()
    asker = world.asker()
    look(asker)
    assert world.told == [AtGateway(answered=True)]
    world.answer = REFUSED
    look(asker, 2)
    assert len(world.told) == 1
    look(asker)
    [_, failed] = world.told
    assert failed is not None
    assert (failed.answered, failed.reason, failed.message) == (False, REFUSED.reason, REFUSED.message)
    assert failed.since is not None
    look(asker, 3)
    assert set(map(str, world.told[1:])) == {str(failed)}, "the same words while it is the same"
    world.answer = Tried()
    look(asker)
    assert world.told[-1] == AtGateway(answered=True)


def test_failures_that_are_not_in_a_row_say_nothing() -> None:
    world = World()
    asker = world.asker()
    for answer in (REFUSED, REFUSED, Tried(), REFUSED, REFUSED):
        world.answer = answer
        look(asker)
    assert world.told == [AtGateway(answered=True)]


def test_a_model_without_a_ready_pod_is_not_asked() -> None:
    world = World()
    asker = world.asker()
    world.answer = REFUSED
    look(asker, 2)
    world.serves = False
    look(asker, 3)
    assert len(world.asked) == 2
    world.serves = True
    look(asker, 2)
    assert world.told == [], "what failed before the pods went does not count"


def test_a_name_that_leads_nowhere() -> None:
    """It is up to apps elsewhere where their name servers lead; who is here has this one."""
    world = World()
    world.resolves = False
    look(world.asker())
    [told] = world.told
    assert told is not None
    assert told.answered
    assert told.message == "models.example.org leads to no address in the GPU cluster"
    look(world.asker(here=True), 3)
    assert world.told[-1] is not None
    assert (world.told[-1].answered, world.told[-1].reason) == (False, Trouble.HOST_UNRESOLVED)


def test_what_cannot_be_judged_takes_back_what_was_told() -> None:
    world = World()
    asker = world.asker()
    world.answer = Tried(judged=False)
    look(asker)
    assert world.told == [None]


def test_it_goes_on_with_another_key_and_after_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TICK_SECONDS", 0.02)
    world, stop = World(), threading.Event()
    asker = world.asker()
    thread = threading.Thread(target=asker.run, args=[stop])
    thread.start()
    try:
        until(lambda: len(world.asked) == 1)
        world.questions = {"chat-1": ONE._replace(key="x" * 32)}
        until(lambda: len(world.asked) == 2)
        assert world.asked[-1].key == "x" * 32
        del world.questions["chat-1"]
        until(lambda: not asker._records)
    finally:
        stop.set()
        thread.join()


def until(true: object) -> None:
    deadline = time.monotonic() + 20
    while not true():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.01)
