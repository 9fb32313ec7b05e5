"""Output files appear whole or not at all: written beside their place, then moved there."""

import os
import secrets
import shutil
from typing import Self

# The folders in use, which an interrupted command clears away.
_open: set[str] = set()


class Staging:
    """A hidden folder inside ``folder``, whose files move into it at the end of the block."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.hidden = os.path.join(folder, f".latentia-{secrets.token_hex(6)}")

    def __enter__(self) -> Self:
        if not os.path.isdir(self.folder):
            raise FileNotFoundError(f"The folder {self.folder!r} does not exist: make it first.")
        _open.add(self.hidden)
        os.mkdir(self.hidden)
        return self

    def path(self, name: str) -> str:
        """Where to write the file that will be called ``name``."""
        return os.path.join(self.hidden, name)

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                for name in sorted(os.listdir(self.hidden)):
                    os.replace(self.path(name), os.path.join(self.folder, name))
        finally:
            shutil.rmtree(self.hidden, ignore_errors=True)
            _open.discard(self.hidden)


def clear() -> None:
    """Remove what an interrupted command has written so far."""
    for folder in list(_open):
        shutil.rmtree(folder, ignore_errors=True)
