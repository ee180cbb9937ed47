"""The kinds of channel: one row each. It makes a `send` of its settings, which says why a message was not taken."""

from collections.abc import Callable, Mapping
from typing import Any

import apprise
import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from notices.errors import SendError, SettingsError
from notices.outbox import Send

SUBJECT = 100  # characters that SNS allows
TIMEOUT_S = 20


def by_apprise(settings: Mapping[str, Any]) -> Send:
    """Mail, Telegram, ntfy, Signal, … by one URL, as https://appriseit.com lists them."""
    url = _text(settings, "url")
    places = apprise.Apprise()
    if not places.add(url):
        raise SettingsError(
            f"channel {settings.get('name')}: apprise knows no {_scheme(url)}; see https://appriseit.com"
        )

    def send(title: str, text: str) -> None:
        if not places.notify(title=title, body=text, body_format=apprise.NotifyFormat.TEXT):
            raise SendError(f"{_scheme(url)} did not take it; try it with: python -m notices test")

    return send


def by_sns(settings: Mapping[str, Any]) -> Send:
    """A topic of Amazon SNS, whoever is subscribed to it."""
    arn = _text(settings, "topic_arn")
    parts = arn.split(":")
    if len(parts) != 6 or parts[2] != "sns":
        raise SettingsError(
            f"channel {settings.get('name')}: topic_arn {arn!r} is none; want arn:aws:sns:REGION:ACCOUNT:NAME"
        )
    config = Config(connect_timeout=TIMEOUT_S, read_timeout=TIMEOUT_S)
    client = boto3.client("sns", region_name=parts[3], endpoint_url=settings.get("endpoint_url"), config=config)

    def send(title: str, text: str) -> None:
        subject = title.encode("ascii", "replace").decode()[:SUBJECT]
        try:
            client.publish(TopicArn=arn, Subject=subject, Message=f"{title}\n\n{text}")
        except (BotoCoreError, ClientError) as error:
            raise SendError(f"{arn}: {error}") from error

    return send


KINDS: Mapping[str, Callable[[Mapping[str, Any]], Send]] = {"apprise": by_apprise, "sns": by_sns}


def _text(settings: Mapping[str, Any], name: str) -> str:
    value = settings.get(name)
    if not isinstance(value, str) or not value:
        raise SettingsError(f"channel {settings.get('name')}: want {name} as a text")
    return value


def _scheme(url: str) -> str:
    """Of a URL only what holds no secret."""
    return url.partition(":")[0]
