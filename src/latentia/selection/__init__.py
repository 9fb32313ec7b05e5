"""How many components, which family: candidates fitted together and compared."""

from .selecting import compare as compare
from .selecting import select as select
from .selection import Selection as Selection
