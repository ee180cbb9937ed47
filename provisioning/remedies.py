"""What helps against what Terraform and AWS complain of from outside the code: one row for each kind."""

import re

REMEDIES: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(
            r"InvalidClientTokenId|SignatureDoesNotMatch|UnrecognizedClient|ExpiredToken|InvalidAccessKeyId"
            r"|no valid credential|failed to refresh cached credentials",
            re.IGNORECASE,
        ),
        "start the service with AWS credentials that hold, or give the farm a role with --role, and deploy again",
    ),
    (
        re.compile(r"no space left on device|disk is full|disk quota exceeded", re.IGNORECASE),
        "make room on the disk of the service, and deploy again",
    ),
    (
        re.compile(
            r"connection refused|no such host|dial tcp|request send failed|could not connect to the endpoint"
            r"|connection was closed|connection reset",
            re.IGNORECASE,
        ),
        "AWS does not answer: see to the network and AWS_ENDPOINT_URL, and deploy again",
    ),
)


def with_remedy(complaint: str) -> str:
    """The complaint, and what helps where that is known."""
    for pattern, remedy in REMEDIES:
        if pattern.search(complaint):
            return f"{complaint}; remedy: {remedy}"
    return complaint
