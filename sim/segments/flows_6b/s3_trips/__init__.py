"""6B.S3: trips."""
