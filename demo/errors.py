"""What can keep a demonstration from being given."""

from local_cloud.errors import LocalCloudError


class DemoError(LocalCloudError):
    """The demonstration cannot be given as it was asked for."""
