"""6B.S5: what each arrival became on its party's cards - the walk of a party through its own rows."""
