"""Model files: data and never code, whole or refused."""

from .error import ModelFileError as ModelFileError
from .files import read as read
from .files import write as write
from .flattening import flatten as flatten
from .models import load as load
from .models import save as save
from .restoring import restore as restore
