"""sortedcontainers' SortedDict, in Python: lists of lists."""

from sortedcontainers import SortedDict


class Side:
    def __init__(self) -> None:
        self.levels = SortedDict()

    def insert(self, keys: list[int]) -> None:
        levels = self.levels
        for key in keys:
            levels[key] = 1.5

    update = insert

    def delete(self, keys: list[int]) -> None:
        levels = self.levels
        for key in keys:
            del levels[key]

    def read_best(self, times: int) -> None:
        peek = self.levels.peekitem
        for _ in range(times):
            peek(-1)
