"""Settings: small models, one per concern, read from one YAML file; a bad file is told by line and field."""

from cloudheal.settings.loader import load_settings
from cloudheal.settings.schema import Settings

__all__ = ["Settings", "load_settings"]
