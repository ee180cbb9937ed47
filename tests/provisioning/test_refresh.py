"""What of a state is read again after a loss, and what is left out of that."""

import json
from pathlib import Path

from provisioning import refresh


def test_what_was_made_of_what_fails_is_not_asked_for(tmp_path: Path) -> None:
    """Terraform would read that again with it, and fail: all instances that name it, in whatever module."""
    instances = [{"index_key": 0}, {"index_key": 1}]
    of_it = [{"index_key": "k[0]", "dependencies": ["module.a.data.aws_x.x", "module.a.aws_y.y"]}]
    state = {
        "resources": [
            {"mode": "managed", "module": 'module.a["b"]', "type": "aws_y", "name": "y", "instances": instances},
            {"mode": "managed", "type": "aws_z", "name": "z", "instances": of_it},
        ]
    }

    def unread(address: str, severity: str = "error") -> set[str]:
        return refresh.unread(state, [{"type": "log"}, {"diagnostic": {"severity": severity, "address": address}}])

    assert unread('module.a["b"].data.aws_x.x["c"]') == {'aws_z.z["k[0]"]'}
    assert unread('module.a["b"].aws_y.y[1]') == {'module.a["b"].aws_y.y[1]', 'aws_z.z["k[0]"]'}
    assert unread('aws_z.z["k[0]"]') == {'aws_z.z["k[0]"]'}
    assert unread('aws_z.z["k[0]"]', "warning") == unread("") == set()
    assert refresh.wanted(tmp_path, state) == set()


def test_more_addresses_than_a_command_holds_are_all(tmp_path: Path) -> None:
    """Twenty thousand gateways: the system would start no such command."""
    instances = [{"index_key": f"farm-gateway-{number}"} for number in range(20_000)]
    row = {"mode": "managed", "module": "module.iot", "type": "aws_iot_thing", "name": "this", "instances": instances}
    state = {"resources": [row]}
    few = {**state, "resources": [{**row, "instances": instances[:10]}]}
    for one, count in ((state, 0), (few, 10)):
        words = refresh.targets(refresh.addresses(one))
        assert len(words) == count
        (tmp_path / "steps.json").write_text(json.dumps([{"command": ["terraform", "apply", *words]}]))
        assert refresh.wanted(tmp_path, one) == refresh.addresses(one)
