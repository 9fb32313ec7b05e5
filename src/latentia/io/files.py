"""One ``.safetensors`` file: tensors, a JSON structure in its metadata, a checksum over it all.

The bytes are those of the safetensors format: the length of the header in 8 bytes, the header, the
tensors. The header starts with a SHA-256 of the whole file, taken with zeros in the place of the
checksum itself, so no byte can change unnoticed. That rule holds for every format version.
"""

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import stat
from collections.abc import Mapping
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from latentia import __version__

from .error import ModelFileError

FORMAT_VERSION = 1
# A header holds names and settings, never data, so a longer one is damage or an attack.
MAX_HEADER = 2**24

_DTYPES = {
    "float64": "F64", "float32": "F32", "float16": "F16", "bool": "BOOL",
    "int64": "I64", "int32": "I32", "int16": "I16", "int8": "I8",
    "uint64": "U64", "uint32": "U32", "uint16": "U16", "uint8": "U8",
}  # fmt: skip
_START = b'{"__metadata__":{"sha256":"'
_CHECKSUM_AT = 8 + len(_START)
_ZEROS = b"0" * 64
# What the parsers of JSON and of safetensors raise when they are given something else.
_UNREADABLE = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
    SafetensorError,
)


def write(
    path: str | os.PathLike[str],
    structure: Any,
    tensors: Mapping[str, np.ndarray],
    extra: dict[str, Any],
) -> None:
    """Write a model file, whole or not at all: if anything fails, an older file stays as it was.

    The same contents give the same bytes.

    Args:
        path: the file; an existing one is replaced. Its folder must exist.
        structure: anything that JSON can hold, as from ``flatten``.
        tensors: arrays of floats, integers and booleans of at most 64 bits, by name.
        extra: more that JSON can hold, such as the data's schema or the history of the fit.

    Raises:
        ModelFileError: if the contents do not fit the format, or ``path`` is no file.
        OSError: if the file cannot be written.
    """
    header, chunks = _contents(structure, tensors, extra)
    # Through a link to the file itself, which replacing would otherwise cut off.
    target = os.path.realpath(os.fsdecode(path))
    folder = os.path.dirname(target)
    # Also not a device: replacing /dev/null would harm the machine.
    if os.path.exists(target) and not os.path.isfile(target):
        raise ModelFileError(
            f"{target!r} is a folder or a device: name a file to save the model to."
        )
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"The folder {folder!r} does not exist: make it, then save again.")
    # Beside the target, since a file can be renamed in one step only within a file system.
    temporary = os.path.join(folder, f".latentia-{secrets.token_hex(8)}.tmp")
    try:
        _write_through(temporary, header, chunks)
        with contextlib.suppress(FileNotFoundError):
            shutil.copymode(target, temporary)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _remember_rename(folder)


def read(path: str | os.PathLike[str]) -> tuple[Any, dict[str, np.ndarray], dict[str, Any]]:
    """Read a model file; nothing in it is ever executed.

    Args:
        path: a file from ``write``. It need not be trusted.

    Returns:
        The structure, the tensors by name, and the extra dict, as they were given to ``write``.

    Raises:
        ModelFileError: if the file is not a model file, was changed in any byte or cut short, or
            has a format version that this latentia does not know.
        OSError: if the file does not exist or cannot be read.
    """
    name = os.fsdecode(path)
    content, data_at = _content(name)
    checksum = content[_CHECKSUM_AT : _CHECKSUM_AT + len(_ZEROS)]
    if _checksum(content) != checksum:
        raise ModelFileError(
            f"{name!r} is damaged (its bytes do not match its checksum): restore it from a copy, "
            "or fit and save the model again."
        )
    try:
        return _parse(name, content, json.loads(content[8:data_at]))
    except ModelFileError:
        raise
    # The checksum is right, so this is not damage: somebody built a file that is none of ours.
    except _UNREADABLE as error:
        raise _foreign(name) from error


def _contents(
    structure: Any, tensors: Mapping[str, np.ndarray], extra: dict[str, Any]
) -> tuple[bytes, list[bytes]]:
    # Written here and not by the safetensors library, which puts the metadata in random order.
    header: dict[str, Any] = {
        "__metadata__": {
            "sha256": _ZEROS.decode(),
            "format": "latentia",
            "format_version": str(FORMAT_VERSION),
            "library_version": __version__,
            "structure": _json(structure, "structure"),
            "extra": _json(extra, "extra"),
        }
    }
    # Wide elements first, so that every tensor is aligned for readers that map the file.
    arrays = {name: _plain(name, tensors[name]) for name in tensors}
    order = sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))
    end = 0
    for name in order:
        begin, end = end, end + arrays[name].nbytes
        header[name] = {
            "dtype": _DTYPES[arrays[name].dtype.name],
            "shape": list(arrays[name].shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > MAX_HEADER:
        raise ModelFileError(
            f"The structure of the model takes {len(text)} bytes, but a model file has room for "
            f"{MAX_HEADER}: keep large data in arrays."
        )
    return text, [arrays[name].tobytes() for name in order]


def _json(value: Any, argument: str) -> str:
    try:
        text = json.dumps(value, separators=(",", ":"), allow_nan=False)
        # Python turns tuples into lists and numbers into keys without a word.
        faithful = json.loads(text) == value
    except (TypeError, ValueError, RecursionError):
        faithful, text = False, ""
    if not faithful:
        raise ModelFileError(
            f"{argument} should be what JSON can hold (dicts with string keys, lists, strings, "
            "finite numbers, booleans, None), but is not: pass it through flatten first."
        )
    return text


def _plain(name: str, array: np.ndarray) -> np.ndarray:
    if type(name) is not str or not name.isascii() or name in ("", "__metadata__"):
        raise ModelFileError(f"{name!r} cannot name a tensor in a model file: use ASCII text.")
    array = np.asarray(array)
    if array.dtype.name not in _DTYPES:
        raise ModelFileError(
            f"The tensor {name!r} has the dtype {array.dtype}, but a model file holds floats, "
            "integers and booleans of at most 64 bits: convert it first."
        )
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")


def _write_through(path: str, header: bytes, chunks: list[bytes]) -> None:
    start = len(header).to_bytes(8, "little") + header
    digest = hashlib.sha256(start)
    for chunk in chunks:
        digest.update(chunk)
    checksum = digest.hexdigest().encode()
    # "x", so that two writers never share a temporary file.
    with open(path, "xb") as file:
        file.write(start[:_CHECKSUM_AT] + checksum + start[_CHECKSUM_AT + len(_ZEROS) :])
        for chunk in chunks:
            file.write(chunk)
        file.flush()
        # On disk before the rename is, or a power cut could leave an empty file under the name.
        os.fsync(file.fileno())


def _checksum(content: bytes) -> bytes:
    digest = hashlib.sha256(content[:_CHECKSUM_AT] + _ZEROS)
    digest.update(memoryview(content)[_CHECKSUM_AT + len(_ZEROS) :])
    return digest.hexdigest().encode()


def _remember_rename(folder: str) -> None:
    # The rename itself lives in the folder; where folders cannot be synced there is no more to do.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _parse(
    name: str, content: bytes, header: dict[str, Any]
) -> tuple[Any, dict[str, np.ndarray], dict[str, Any]]:
    metadata = header.pop("__metadata__")
    version, library = metadata["format_version"], metadata["library_version"]
    if version != str(FORMAT_VERSION):
        raise ModelFileError(
            f"{name!r} has format version {version} (written by latentia {library}), but this "
            f"latentia {__version__} reads version {FORMAT_VERSION}: install the version that "
            "wrote it, or a newer one."
        )
    structure, extra = json.loads(metadata["structure"]), json.loads(metadata["extra"])
    dtypes = {entry["dtype"] for entry in header.values()}
    if type(extra) is not dict or not dtypes <= set(_DTYPES.values()):
        raise _foreign(name)
    # Copies: those of safetensors are read-only views.
    return structure, {tensor: np.array(array) for tensor, array in load(content).items()}, extra


def _content(name: str) -> tuple[bytes, int]:
    """The whole file, and where its tensors start: read only once both can be right."""
    if not stat.S_ISREG(os.stat(name).st_mode):
        raise ModelFileError(f"{name!r} is not a file: pass a model file saved by latentia.")
    with open(name, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(_CHECKSUM_AT)
        length = int.from_bytes(start[:8], "little")
        if start[8:] != _START:
            raise _foreign(name)
        if length > min(MAX_HEADER, size - 8):
            raise ModelFileError(
                f"{name!r} is damaged or cut short (its header claims {length} bytes): restore it "
                "from a copy, or fit and save the model again."
            )
        return start + file.read(), 8 + length


def _foreign(name: str) -> ModelFileError:
    return ModelFileError(
        f"{name!r} is not a latentia model file, or its beginning is damaged: pass a file saved by "
        "latentia, or fit and save the model again."
    )
