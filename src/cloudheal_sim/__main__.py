"""`python -m cloudheal_sim`: start the simulator."""

from cloudheal_sim.cli import main

if __name__ == "__main__":
    main()
