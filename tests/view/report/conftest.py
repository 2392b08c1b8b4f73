"""Files for the report page's tests, and its decoder under node."""

import json
import subprocess
from pathlib import Path

import pytest

READER = Path(__file__).parent / "reader.js"


class Reader:
    """The page's decoder in a node process: a path and options in, its answer out."""

    def __init__(self, process):
        self._process = process

    def __call__(self, path, **options):
        self._process.stdin.write(f"{path}\t{json.dumps(options)}\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@pytest.fixture(scope="session")
def reader():
    with subprocess.Popen(["node", READER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Reader(process)
        process.stdin.close()
