"""The local cloud's AWS and event loop, for tests of what is played on it."""

from tests.local_cloud.conftest import aws, certs, moto_endpoint, pytest_pyfunc_call

__all__ = ["aws", "certs", "moto_endpoint", "pytest_pyfunc_call"]
