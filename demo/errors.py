"""What can keep a demonstration from being given, and all that may go wrong in the rooms that it runs."""

from certs.errors import CertsError
from compute_service.errors import ComputeError
from field_time.errors import FieldTimeError
from gateway_sim.errors import SimError
from local_cloud.errors import LocalCloudError


class DemoError(Exception):
    """Base of every error of the demonstration; by itself: it cannot be given as it was asked for."""


class SupervisorError(DemoError):
    """A process of the demonstration could not start, or ended when it should not."""


# What a person can mend, of all rooms: one line, without a traceback.
KNOWN_TROUBLE = (DemoError, CertsError, ComputeError, SimError, LocalCloudError, FieldTimeError, OSError)
