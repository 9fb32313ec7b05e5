"""The one error for a model file that cannot be written or read."""


class ModelFileError(ValueError):
    """A model file is foreign, damaged or too new, or a model holds what a file cannot.

    The message is one sentence that names the file or the part of the model, and the remedy. A path
    that does not exist or cannot be opened is an ``OSError`` instead.
    """
