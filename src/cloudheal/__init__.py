"""Watch cloud servers through the events the clouds publish, heal them safely, keep the record."""
