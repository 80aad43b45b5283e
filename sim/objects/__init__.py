"""Object stores: a run is uploaded, mirrored and verified through these."""
