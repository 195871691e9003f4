"""`python -m vidwright`, where the command is not on the path."""

from vidwright.cli.main import main

if __name__ == "__main__":
    main()
