"""Cloud Load Balancer, version 2018-03-17: which servers stand behind a balancer, with which weight, and how they are.

Balancers and listeners are made by a world document; the calls that make them are not simulated.
"""
