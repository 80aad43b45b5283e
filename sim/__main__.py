"""`python -m sim` is the `closedworld` command."""

from sim.cli.main import main

if __name__ == "__main__":
    main()
