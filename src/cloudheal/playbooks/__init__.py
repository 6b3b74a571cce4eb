"""The playbooks that come with cloudheal, one file each; users add their own by the same door."""
