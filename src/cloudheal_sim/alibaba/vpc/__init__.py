"""Virtual Private Cloud, version 2016-04-28: the read calls that general clients make first.

It owns nothing: networks and switches are those of ECS's catalogue.
"""
