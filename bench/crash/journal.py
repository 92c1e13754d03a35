"""A file of one JSON object a line, each on the disk before anything else happens."""

import json
import os
import time
from pathlib import Path


class Journal:
    """An append-only file."""

    def __init__(self, file: Path) -> None:
        self._file = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)

    def write(self, **facts: object) -> None:
        """Writes one line."""
        line = json.dumps({"at": time.time(), **facts}, ensure_ascii=False)
        os.write(self._file, f"{line}\n".encode())
        os.fsync(self._file)

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)
