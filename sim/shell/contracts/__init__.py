"""What files under `contracts/` and `config/` say: read strictly, compiled, held against each other."""
