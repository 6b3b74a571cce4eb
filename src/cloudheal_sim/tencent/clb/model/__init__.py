"""What CLB keeps: balancers, listeners, forwarding rules, targets, and the tasks that change them."""
