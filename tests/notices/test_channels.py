"""The channels against real receivers, and the settings file that names them."""

import email
import json
from email.header import decode_header, make_header
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from notices import channels, settings
from notices.__main__ import main
from notices.errors import SendError, SettingsError
from notices.outbox import Outbox
from tests.notices.receivers import http_receiver, mail_receiver
from tests.notices.test_outbox import NOON, TABLE, Phone, channel, tell

# Apprise loads all of its plugins with the first, and one of them imports what Python will drop.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
ARN = "arn:aws:sns:us-east-1:123456789012:farm"


def test_a_web_hook_gets_title_and_text() -> None:
    """As ntfy, Matrix and many messengers take it; what it answers with an error is tried again later."""
    with http_receiver() as received:
        send = channels.by_apprise({"name": "hook", "url": f"json://127.0.0.1:{received.port}/farm"})
        send("Verifique", "plot-1a está seca")
        [message] = received
        assert (message["title"], message["message"]) == ("Verifique", "plot-1a está seca")
        received.is_refusing = True
        with pytest.raises(SendError, match="json"):
            send("Verifique", "noch einmal")


def test_a_mail_comes_with_its_accents() -> None:
    """Subject and text of a Portuguese notice are readable in the mail."""
    with mail_receiver() as received:
        url = (
            f"mailto://127.0.0.1:{received.port}?from=farm@example.org&to=ana@example.org&mode=insecure&smtp=127.0.0.1"
        )
        channels.by_apprise({"name": "mail", "url": url})("Atenção", "A válvula está aberta")
        mail = email.message_from_string(received[0])
        assert str(make_header(decode_header(mail["Subject"]))) == "Atenção"
        part = next(part for part in mail.walk() if part.get_content_type() == "text/plain")
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        assert payload.decode().strip() == "A válvula está aberta"


def test_whoever_is_not_there_is_told_as_such() -> None:
    """A channel that cannot be reached raises, and does not name a secret of its URL."""
    with http_receiver() as received:
        port = received.port
    with pytest.raises(SendError) as caught:
        channels.by_apprise({"name": "hook", "url": f"json://ana:secret@127.0.0.1:{port}/"})("a", "b")
    assert "secret" not in str(caught.value)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")


@pytest.mark.usefixtures("aws")
def test_a_topic_hands_it_to_its_subscribers() -> None:
    """What goes to an SNS topic comes out of a queue that is subscribed to it, with a subject that SNS allows."""
    with mock_aws():
        sns, sqs = (boto3.client(name, region_name="us-east-1") for name in ("sns", "sqs"))
        topic = sns.create_topic(Name="farm")["TopicArn"]
        queue = sqs.create_queue(QueueName="farm")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        channels.by_sns({"name": "aws", "topic_arn": topic})("Atenção", "A válvula está aberta")
        [message] = sqs.receive_message(QueueUrl=queue)["Messages"]
        body = json.loads(message["Body"])
        assert (body["Subject"], body["Message"]) == ("Aten??o", "Atenção\n\nA válvula está aberta")
        with pytest.raises(SendError, match="farm-2"):
            channels.by_sns({"name": "aws", "topic_arn": f"{topic}-2"})("a", "b")


# the settings file

GOOD = f"""
language = "pt"
timezone = "America/Sao_Paulo"
quiet = ["22:00", "06:00"]

[[channel]]
name = "ana"
kind = "apprise"
url = "json://127.0.0.1:1/"

[[channel]]
kind = "sns"
topic_arn = "{ARN}"
language = "en"
most_level = 0
quiet = []
"""


def test_a_settings_file_names_the_channels(tmp_path: Path) -> None:
    """What stands at the top holds for all; a channel may have its own."""
    (tmp_path / "notices.toml").write_text(GOOD)
    ana, sns = settings.load(tmp_path / "notices.toml")
    assert (ana.name, ana.language, ana.most_level, ana.quiet.begin) == ("ana", "pt", 9, 22 * 60)
    assert (sns.name, sns.language, sns.most_level, sns.quiet.begin) == ("sns", "en", 0, 0)


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ('kind = "apprise"', 'kind = "pigeon"', "channel ana: kind 'pigeon' is none; there are apprise, sns"),
        ('url = "json://127.0.0.1:1/"', "", "channel ana: want url as a text"),
        ("json://127.0.0.1:1/", "pigeon://x", "channel ana: apprise knows no pigeon"),
        (ARN, "farm", "channel sns: topic_arn 'farm' is none; want arn:aws:sns:REGION:ACCOUNT:NAME"),
        ("most_level = 0", "most_level = -1", "channel sns: most_level -1: want a whole number of 0 or more"),
        ('"22:00"', '"25:00"', "quiet ['25:00', '06:00']: want two times"),
        ("America/Sao_Paulo", "America/Sao_Paolo", "timezone 'America/Sao_Paolo' is none"),
        ('name = "ana"', 'name = "sns"', "two channels have one name: sns, sns"),
        ('name = "ana"', 'nam = "ana"', "knows no nam; it has "),
        ('language = "pt"', 'langage = "pt"', "knows no langage"),
        ("[[channel]]", "[[channel", "is no TOML"),
    ],
)
def test_a_mistake_in_the_settings_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], before: str, after: str, sentence: str
) -> None:
    """With the file, the channel, and what it should be; the command ends with code 2."""
    path = tmp_path / "notices.toml"
    path.write_text(GOOD.replace(before, after, 1))
    assert main(["test", "--settings", str(path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"notices: {path}: ")
    assert sentence in said
    assert said.count("\n") == 1


def test_without_channels_there_is_nothing_to_tell_by(tmp_path: Path) -> None:
    """An empty file and a file that is not there are both told."""
    (tmp_path / "empty.toml").write_text("")
    with pytest.raises(SettingsError, match="want one"):
        settings.load(tmp_path / "empty.toml")
    with pytest.raises(SettingsError, match="No such file"):
        settings.load(tmp_path / "none.toml")


def test_a_person_tries_the_channels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line through each, and which took it; the code says whether all did."""
    path = tmp_path / "notices.toml"
    with http_receiver() as received:
        path.write_text(f'[[channel]]\nname = "hook"\nkind = "apprise"\nurl = "json://127.0.0.1:{received.port}/"\n')
        assert main(["test", "--settings", str(path)]) == 0
        received.is_refusing = True
        assert main(["test", "--settings", str(path)]) == 1
    assert capsys.readouterr().out.splitlines()[0] == "hook: taken"
    assert "este canal funciona" in received[0]["message"]


def test_a_person_looks_into_the_outbox(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """When, by which channel, what, where, and what became of it."""
    outbox = Outbox(tmp_path / "notices.sqlite", TABLE)
    phone = Phone()
    phone.is_down = True
    tell(outbox, [channel(phone)], "k1")
    outbox.deliver([channel(phone)], NOON)
    outbox.close()
    assert main(["show", "--outbox", str(tmp_path / "notices.sqlite")]) == 0
    assert capsys.readouterr().out == "2026-06-15 12:00  phone  broken  pump  waiting: no signal\n"
