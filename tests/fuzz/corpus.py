"""The corpus, one file per target: a JSON string per line, whose characters are bytes."""

import json
from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"


def load(name: str) -> list[bytes]:
    """Return a target's inputs."""
    lines = (FOLDER / f"{name}.jsonl").read_text().splitlines()
    return [json.loads(line).encode("latin-1") for line in lines]


def store(name: str, inputs: list[bytes]) -> None:
    """Replace a target's inputs."""
    lines = [json.dumps(each.decode("latin-1")) for each in sorted(inputs, key=lambda each: (len(each), each))]
    (FOLDER / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in lines))
