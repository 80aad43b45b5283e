"""Array recipes that states share: exact apportionment, alias tables, natural keys. No modelling, no I/O."""
