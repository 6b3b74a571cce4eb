"""The objects of Cloud Monitor and how they behave."""
