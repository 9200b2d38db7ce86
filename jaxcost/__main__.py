"""`python -m jaxcost` is the command `jaxcost`."""

from jaxcost.app.cli import main

if __name__ == "__main__":
    main()
