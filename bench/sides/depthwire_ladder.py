"""depthwire's ladder: two sorted arrays, the best price at the tail."""

from depthwire import Ladder


class Side:
    def __init__(self) -> None:
        self.ladder = Ladder()

    def insert(self, keys: list[int]) -> None:
        insert = self.ladder.insert
        for key in keys:
            insert(key, 1.5)

    def update(self, keys: list[int]) -> None:
        update = self.ladder.update
        for key in keys:
            update(key, 2.5)

    def delete(self, keys: list[int]) -> None:
        delete = self.ladder.delete
        for key in keys:
            delete(key)

    def read_best(self, times: int) -> None:
        ladder = self.ladder
        for _ in range(times):
            ladder.best_id  # noqa: B018  # the read is what is measured
