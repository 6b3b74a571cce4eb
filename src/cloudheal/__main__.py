"""`python -m cloudheal` is the command line."""

from cloudheal.cli import main

if __name__ == "__main__":
    main()
