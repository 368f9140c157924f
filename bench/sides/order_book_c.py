"""order-book's SortedDict, in C: the side of its OrderBook. Its keys are usually Decimals; integers are faster."""

from order_book import SortedDict


class Side:
    def __init__(self) -> None:
        self.levels = SortedDict(ordering="DESC")

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
        index = self.levels.index
        for _ in range(times):
            index(0)
