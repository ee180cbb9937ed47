"""What a message on a set topic orders, and the sentence that one gets which orders nothing."""

import json
import re
import time

import pytest
from paho.mqtt.client import topic_matches_sub

from compute_service.domain.orders import Order
from compute_service.domain.zone import Config
from integrations.errors import SetError
from integrations.home_assistant.discovery import Origin, devices
from integrations.home_assistant.sets import SetMessage, minutes_of, order_of
from integrations.home_assistant.topics import slug, topics_of
from tests.compute_service.bench import GATEWAY, NOON, SITE, zone

CONFIG = Config(farm="Home farm", timezone="America/Toronto", site=SITE, zones=(zone("a"), zone("b")))
TOPICS = topics_of(CONFIG, "pythoflow")
ZONE, BOARD = "pythoflow/home-farm/zone/plot-1a", f"pythoflow/home-farm/gateway/{GATEWAY}"
WALL_S = time.time()


def message(topic: str, body: object, *, is_retained: bool = False) -> SetMessage:
    text = body if isinstance(body, str) else json.dumps(body)
    return SetMessage(topic=topic, payload=text.encode(), is_retained=is_retained, wall_s=WALL_S)


def order(topic: str, body: object, *, is_retained: bool = False) -> Order:
    template = Order(order_id="O1", action="", at=NOON, by="ha", via="home assistant")
    return order_of(CONFIG, TOPICS, message(topic, body, is_retained=is_retained), template, 20)


def test_orders_of_a_zone_and_of_the_farm() -> None:
    """An open has the minutes; what a gateway's buttons order is for the whole farm."""
    opened = order(f"{ZONE}/set", {"action": "open", "at": WALL_S})
    assert (opened.action, opened.zone_id, opened.duration_s, opened.by) == ("open", "plot-1a", 1200, "ha")
    closed = order(f"{ZONE}/set", {"action": "close"})
    assert (closed.zone_id, closed.duration_s, closed.key) == ("plot-1a", None, None)
    stopped = order(f"{BOARD}/set", {"action": "stop", "at": WALL_S})
    assert (stopped.action, stopped.zone_id) == ("stop", None)
    cleared = order(f"{BOARD}/set", {"action": "clear", "at": WALL_S})
    assert (cleared.action, cleared.zone_id, cleared.duration_s) == ("clear", "plot-1a", None)


def test_the_same_message_is_the_same_order() -> None:
    """Its key is the message's own: another time, action or zone makes another."""
    first = {"action": "close", "at": WALL_S}
    keys = [
        order(f"{ZONE}/set", body).key
        for body in (first, dict(first), {**first, "at": WALL_S + 1}, {**first, "action": "resume"})
    ]
    keys.append(order(f"{ZONE.replace('1a', '1b')}/set", first).key)
    assert keys[0] == keys[1]
    assert len(set(keys)) == 4


@pytest.mark.parametrize(
    ("topic", "body", "words"),
    [
        (f"{ZONE}/set", {"action": "open", "at": WALL_S - 61}, "meant 61 s ago"),
        (f"{ZONE}/set", {"action": "open", "at": WALL_S + 61}, "meant in 61 s"),
        (f"{ZONE}/set", {"action": "open", "at": None}, "says when it was meant"),
        (f"{ZONE}/set", '{"action": "open", "at": NaN}', "does nothing"),
        (f"{BOARD}/set", {"action": "clear", "at": WALL_S - 61}, "an order to clear that was meant 61 s ago"),
        (f"{BOARD}/set", {"action": "clear"}, "an order to clear says when it was meant"),
        (f"{ZONE}/set", {"action": "clear", "at": WALL_S}, "'clear' is no order here"),
        (f"{ZONE}/set", {"action": "open", "at": True}, "says when it was meant"),
        (f"{ZONE}/set", {"action": "flood"}, "'flood' is no order here; there are open, close, resume"),
        (f"{ZONE}/set", {"action": "stop"}, "'stop' is no order here"),
        (f"{BOARD}/set", {"action": "open", "at": WALL_S}, "there are stop, resume"),
        (f"{ZONE}/set", "open", "an order is JSON"),
        (f"{ZONE}/set", "\xff", "an order is JSON"),
        (f"{ZONE}/set", [1], "JSON object"),
        (f"{ZONE.replace('1a', '9z')}/set", {"action": "close"}, "no such zone"),
        (f"{ZONE}/a/b/set", {"action": "flood"}, "is no order"),
    ],
)
def test_what_is_no_order(topic: str, body: object, words: str) -> None:
    """One sentence says why, and what would be one."""
    with pytest.raises(SetError, match=re.escape(words)):
        order(topic, body)


def test_a_retained_message_is_none() -> None:
    """Whatever it says: it would come again at each start."""
    with pytest.raises(SetError, match="retained"):
        order(f"{ZONE}/set", {"action": "close", "at": WALL_S}, is_retained=True)


@pytest.mark.parametrize("text", ["0", "31", "nan", "inf", "-5", "ten", "", '{"minutes": 5}'])
def test_minutes_that_cannot_be(text: str) -> None:
    """The zone says which it takes."""
    with pytest.raises(SetError, match="plot-1a takes 1 to 30"):
        minutes_of(CONFIG, TOPICS, message(f"{ZONE}/minutes/set", text))


def test_minutes_that_can_be() -> None:
    """As Home Assistant's number sends them, with a decimal point or without."""
    assert [minutes_of(CONFIG, TOPICS, message(f"{ZONE}/minutes/set", text)).minutes for text in ("1", "30.0")] == [
        1,
        30,
    ]


def test_names_in_topics_stay_apart() -> None:
    """Names with letters that a topic does not take become others, and never the same."""
    names = ["plot-1a", "plot 1a", "plot.1a", "plot+1a", "Talhão", "Talhao", "#", "/"]
    assert len({slug(name) for name in names}) == len(names)
    assert [name for name in names if not re.fullmatch(r"[a-zA-Z0-9_-]+", slug(name))] == []


def test_no_command_is_ever_retained() -> None:
    """Whatever Home Assistant sends goes once, to a topic that the bridge listens to, and says when it was meant."""
    payloads = devices(CONFIG, TOPICS, Origin(version="1.0.0"))
    parts = [part for payload in payloads.values() for part in payload["cmps"].values() if "cmd_t" in part]
    assert len(parts) == 2 * 3 + 3
    assert {(part["ret"], part["qos"]) for part in parts} == {(False, 1)}
    assert [part["cmd_t"] for part in parts if not listens_to(part["cmd_t"])] == []
    assert {"at" in part.get("cmd_tpl", "") for part in parts if part["p"] != "number"} == {True}


def listens_to(topic: str) -> bool:
    return any(topic_matches_sub(pattern, topic) for pattern in TOPICS.subscriptions)
