"""The estimator's errors."""

from collections.abc import Sequence

from provisioning.errors import ProvisioningError


class CostsError(ProvisioningError):
    """Nothing can be estimated: a plan, state or usage that is none. `mistakes` has a line for each."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = list(mistakes)


class UnpricedError(ProvisioningError):
    """One resource whose price is not known; never leaves the estimator."""
