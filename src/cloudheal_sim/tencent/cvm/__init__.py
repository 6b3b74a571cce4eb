"""Cloud Virtual Machine, version 2017-03-12: instances with their states, and the platform's repair tasks."""
