"""What SLB keeps: balancers with listeners, server groups with members, and what health checks have seen."""
