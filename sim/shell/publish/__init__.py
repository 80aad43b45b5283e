"""Publishing and the hash gate: documents, manifests, bundles, seals, one writer a run."""
