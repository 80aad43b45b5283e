"""Array recipes shared by states: exact apportionment, alias tables, natural keys. No modelling, no I/O."""
