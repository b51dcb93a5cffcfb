"""Properties here are about truth, not speed: an example may take the time that a key takes."""

from hypothesis import settings

settings.register_profile("core", deadline=None)
settings.load_profile("core")
