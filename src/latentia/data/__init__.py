"""Where data comes from: tables in memory, their schema, and streams from Parquet files."""

from .coding import decode as decode
from .coding import encode as encode
from .coding import read_items as read_items
from .image_files import read_images as read_images
from .parquet import ParquetRows as ParquetRows
from .parquet import parquet as parquet
from .schema import Column as Column
from .schema import Schema as Schema
from .schema import describe as describe
from .schema import from_json as from_json
from .schema import infer_items as infer_items
from .schema import infer_schema as infer_schema
from .schema import to_json as to_json
from .sequences import Sequences as Sequences
from .sequences import sequences as sequences
from .table import Table as Table
from .table import read_labels as read_labels
from .table import read_table as read_table
from .table import read_weights as read_weights
from .table import require_observed as require_observed
