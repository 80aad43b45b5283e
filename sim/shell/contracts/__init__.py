"""Reads `contracts/` and `config/` strictly, compiles their files and proves that they agree."""
