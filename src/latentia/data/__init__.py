"""Where data comes from: tables in memory, their schema, and streams from Parquet files."""
