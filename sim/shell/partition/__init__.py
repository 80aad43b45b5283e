"""One partition: computed, checked, staged, held against another backend."""
