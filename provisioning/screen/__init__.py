"""Judges a Terraform root before `init`: what it may hold, and which files it may read. `screen` is the way in."""

from provisioning.screen.refusal import Refusal
from provisioning.screen.run import Limits, screen

__all__ = ["Limits", "Refusal", "screen"]
