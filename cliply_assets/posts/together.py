"""Results of several threads in one transaction: whoever comes while one is being committed shares the next with all others that came.

Nobody waits for company: who comes alone goes alone. A disk takes milliseconds to say that something is written, whether that is one
result or fifty.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from uuid import UUID

__all__ = ["Together"]

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_AT_ONCE = 50


@dataclass(eq=False)
class _Asked(Generic[Item, Result]):
    item: Item
    called: threading.Event = field(default_factory=threading.Event)
    leads: bool = False
    answer: Result | Exception | None = None


class Together(Generic[Item, Result]):
    """`do` is called with a workspace and what was asked for it meanwhile; by one thread at a time for each workspace.

    It answers for each, by a result or the error that this one's asker is to have. What it raises, all of them get.
    """

    def __init__(self, do: Callable[[UUID, Sequence[Item]], Sequence[Result | Exception]]) -> None:
        self._do = do
        self._guard = threading.Lock()
        self._waiting: dict[UUID, list[_Asked[Item, Result]]] = {}
        """Of the workspaces that something is being done for."""

    def ask(self, workspace_id: UUID, item: Item) -> Result:
        """What `do` answers; blocks until then."""
        mine: _Asked[Item, Result] = _Asked(item)
        with self._guard:
            busy = workspace_id in self._waiting
            self._waiting.setdefault(workspace_id, []).append(mine)
        if busy:
            mine.called.wait()
        if mine.leads or not busy:
            self._lead(workspace_id)
        if isinstance(mine.answer, Exception):
            raise mine.answer
        return mine.answer  # type: ignore[return-value] # everybody who was called has an answer

    def _lead(self, workspace_id: UUID) -> None:
        """Does what waits, one's own first, and calls the next to lead."""
        with self._guard:
            waiting = self._waiting[workspace_id]
            batch = waiting[:MOST_AT_ONCE]
            del waiting[:MOST_AT_ONCE]
        try:
            answers: Sequence[Result | Exception] = self._do(workspace_id, [one.item for one in batch])
        except Exception as error:  # noqa: BLE001 - each asker raises it in its own thread
            answers = [error] * len(batch)
        for one, answer in zip(batch, answers, strict=True):
            one.answer = answer
        with self._guard:
            if waiting:
                waiting[0].leads = True
                waiting[0].called.set()
            else:
                del self._waiting[workspace_id]
        for one in batch:
            one.called.set()
