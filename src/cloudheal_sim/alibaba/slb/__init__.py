"""Server Load Balancer (Classic), version 2014-05-15: balancers, server groups, listeners, health, draining."""
