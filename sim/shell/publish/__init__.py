"""The only writer of published files, and the hash gate: manifests, bundles, seals, the run lock."""
