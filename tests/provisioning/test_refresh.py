"""What of a state is read again after a loss, and what is left out of that."""

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
    assert refresh.wanted(tmp_path) == set()
