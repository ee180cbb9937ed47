"""What can keep a deployment from being tried."""

from demo.errors import DemoError


class DeployError(DemoError):
    """The deployment cannot be tried as it was asked for."""


class MissingProgramError(DeployError):
    """A program that the deployment needs is not installed."""


class TerraformError(DeployError):
    """Terraform refused: the first thing that it complains about, in one line."""


class CommandError(DeployError):
    """A command that the deployment prints for people does not work."""
