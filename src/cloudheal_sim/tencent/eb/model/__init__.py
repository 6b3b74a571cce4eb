"""The objects of EventBridge and how they behave."""
