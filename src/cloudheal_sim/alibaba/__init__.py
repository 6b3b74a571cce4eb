"""The simulated Alibaba Cloud: one folder per service, all of one shape (wire in, model, wire out, errors)."""
