"""One partition: compute it, check it, stage it, and compare it with another backend."""
