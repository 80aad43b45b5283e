"""6A.S3: instruments."""
