"""A simulated cloud that the official SDKs cannot tell from the real one."""
