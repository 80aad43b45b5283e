"""6A.S2: accounts and holdings."""
