"""What an AWS API holds is listed by itself."""

from collections.abc import Callable
from typing import Any

from demo.deploy import inventory


def names(found: inventory.Inventory, service: str) -> set[str]:
    return {name for of, _, name in found if of == service}


def test_what_is_made_is_listed_and_what_is_deleted_is_not(aws: Callable[[str], Any]) -> None:
    """A bucket, a queue and a thing appear, by the names they have, and go again."""
    before = inventory.take()
    aws("s3").create_bucket(Bucket="farm")
    queue = aws("sqs").create_queue(QueueName="letters")["QueueUrl"]
    aws("iot").create_thing(thingName="irrigation-gateway-1")
    made = inventory.take() - before
    assert {(service, name) for service, _, name in made} == {
        ("s3", "farm"),
        ("sqs", queue),
        ("iot", "irrigation-gateway-1"),
    }
    aws("s3").delete_bucket(Bucket="farm")
    aws("sqs").delete_queue(QueueUrl=queue)
    aws("iot").delete_thing(thingName="irrigation-gateway-1")
    assert inventory.take() == before


def test_every_page_is_read(aws: Callable[[str], Any]) -> None:
    """More things than an answer holds are all listed."""
    for number in range(120):
        aws("iot").create_thing(thingName=f"irrigation-gateway-{number}")
    assert len(names(inventory.take(), "iot")) == 120


def test_a_peering_that_is_deleted_is_not_left(aws: Callable[[str], Any]) -> None:
    """AWS lists it for a while, as deleted."""
    ec2 = aws("ec2")
    one, other = (ec2.create_vpc(CidrBlock=f"10.{n}.0.0/16")["Vpc"]["VpcId"] for n in (1, 2))
    before = inventory.take()
    made = ec2.create_vpc_peering_connection(VpcId=one, PeerVpcId=other)["VpcPeeringConnection"]
    assert made["VpcPeeringConnectionId"] in names(inventory.take(), "ec2")
    ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=made["VpcPeeringConnectionId"])
    assert inventory.take() == before
