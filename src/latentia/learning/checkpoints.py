"""Checkpoints of a training: one file, replaced whole or not at all, that is data and no code."""

import contextlib
import hashlib
import json
import os
import secrets
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

_FORMAT = "latentia-checkpoint-1"


class CheckpointError(ValueError):
    """A checkpoint is damaged, or belongs to another training."""


def write_checkpoint(path: str, arrays: list[Any], facts: dict[str, Any], after: str) -> None:
    """Write arrays and facts (what JSON can hold); a kill at any moment leaves the old file whole.

    Args:
        after: what there is a checkpoint after: an "epoch", or a "pass".

    Raises:
        OSError: if the file cannot be written: a full disk, say. It says what is left.
    """
    try:
        _replace(path, arrays, facts)
    except OSError as error:
        raise OSError(
            error.errno, f"The checkpoint could not be written ({error.strerror}); the one of "
            f"the {after} before is whole, so make room and fit again", path,
        ) from error  # fmt: skip


def _replace(path: str, arrays: list[Any], facts: dict[str, Any]) -> None:
    # In C order by this function, since others turn a scalar into a row.
    named = {f"{i:05d}": np.asarray(array, order="C") for i, array in enumerate(arrays)}
    text = json.dumps(facts)
    metadata = {"format": _FORMAT, "facts": text, "sha256": _digest(named, text)}
    content = save(named, metadata)
    folder = os.path.dirname(os.path.abspath(path))
    os.makedirs(folder, exist_ok=True)
    temporary = os.path.join(folder, f".latentia-{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            # On disk before the rename is, or a power cut could leave an empty file.
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def read_checkpoint(path: str) -> tuple[list[np.ndarray], dict[str, Any]]:
    """What ``write_checkpoint`` wrote.

    Raises:
        CheckpointError: if the file is no checkpoint, or was changed in any byte.
        OSError: if it cannot be read.
    """
    with open(path, "rb") as file:
        content = file.read()
    try:
        size = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + size])["__metadata__"]
        named = load(content)
        text = metadata["facts"]
        if metadata["format"] != _FORMAT or metadata["sha256"] != _digest(named, text):
            raise ValueError("checksum")
        return [np.array(named[name]) for name in sorted(named)], json.loads(text)
    except (ValueError, KeyError, TypeError, SafetensorError) as error:
        raise CheckpointError(
            f"The checkpoint {path!r} is damaged or is none of latentia's: remove it, and training "
            "starts anew."
        ) from error


def _digest(named: dict[str, np.ndarray], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(named):
        array = named[name]
        digest.update(f"{name}{array.dtype.str}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
