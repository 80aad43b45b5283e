"""Object stores: upload a run, mirror its documents, verify it."""
