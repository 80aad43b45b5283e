"""Tables: Arrow and Parquet by contract, digests, keys, and complete checks of rows."""
