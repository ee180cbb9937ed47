"""How often somebody may try to log in: guesses are few, and nobody locks another out of their own browser."""

from pathlib import Path

import pytest

from tests.web.site_under_test import OWN, PASSWORD, QUICK, Clock, Farm, at_once
from tests.web.test_access import HERE, OTHER, THERE, fail
from web.access import DAY_S, DEVICE_S, Access
from web.attempts import LONG_WINDOW_S, MOST, MOST_OF_A_NAME, WINDOW_S
from web.errors import AttemptsError, LoginError
from web.roles import Role


def test_the_sixth_attempt_in_a_minute_is_not_heard(access: Access, clock: Clock) -> None:
    """Not even with the right password; it says when to come again, and then is heard. From elsewhere it is at once."""
    for _ in range(MOST):
        fail(access)
        clock.now_s += 1
    with pytest.raises(AttemptsError) as refusal:
        access.log_in("see", PASSWORD, HERE)
    assert (refusal.value.status, refusal.value.headers) == (429, {"Retry-After": str(int(WINDOW_S) - MOST)})
    clock.now_s += refusal.value.retry_after_s - 0.5
    assert access.log_in("see", PASSWORD, THERE)
    with pytest.raises(AttemptsError, match="try again in 1 s"):
        access.log_in("see", PASSWORD, HERE)
    clock.now_s += 0.5
    assert access.log_in("see", PASSWORD, HERE)


def test_one_address_may_not_try_everybody(access: Access) -> None:
    """One password for many names, known or not, is stopped as well; others are heard meanwhile."""
    for name in ("see", "operate", "nobody", "root", "admin"):
        fail(access, name)
    with pytest.raises(AttemptsError):
        access.log_in("manage", PASSWORD, HERE)
    assert access.log_in("manage", PASSWORD, THERE)


@pytest.mark.parametrize("known", ["see", "nobody"])
def test_the_limit_does_not_tell_who_there_is(access: Access, known: str) -> None:
    """For a user and for nobody it begins and ends with the same attempt."""
    for _ in range(MOST):
        fail(access, known)
    with pytest.raises(AttemptsError):
        access.log_in(known.upper(), PASSWORD, HERE)


def many_guess(access: Access, clock: Clock, name: str) -> None:
    """Strangers at as many addresses as they like use up what a name has of attempts in an hour."""
    for number in range(MOST_OF_A_NAME):
        fail(access, name, f"198.51.100.{number}")
        clock.now_s += 1


@pytest.mark.parametrize("known", ["see", "nobody"])
def test_many_who_guess_together_are_no_more_than_fifty_an_hour(access: Access, clock: Clock, known: str) -> None:
    """Of one name, be it a user's or nobody's, from however many addresses; then it is heard again."""
    many_guess(access, clock, known)
    with pytest.raises(AttemptsError) as refusal:
        access.log_in(known, PASSWORD, THERE)
    assert refusal.value.retry_after_s == LONG_WINDOW_S - MOST_OF_A_NAME
    assert access.log_in("manage", PASSWORD, THERE)  # another name goes on
    clock.now_s += refusal.value.retry_after_s
    fail(access, known, THERE)


def test_an_attacker_does_not_lock_a_user_out_of_their_browser(access: Access, clock: Clock) -> None:
    """Where somebody has logged in lately they do so again, whoever fails with their name, and from their own network
    too; in a browser that was never theirs they wait."""
    device = access.log_in("see", PASSWORD, HERE).device
    many_guess(access, clock, "see")
    for _ in range(MOST):
        fail(access, "root")
    with pytest.raises(AttemptsError):
        access.log_in("see", PASSWORD, HERE)
    for _ in range(2):
        assert access.log_in("see", PASSWORD, HERE, device).device == device


def test_a_stolen_device_cookie_guesses_no_oftener(access: Access, clock: Clock) -> None:
    """It is counted by itself, in a minute and in an hour, and is worth nothing for another name."""
    device = access.log_in("see", PASSWORD, HERE).device
    guesses = 0
    for minute in range(12):
        for number in range(MOST + 1):
            try:
                access.log_in("see", "a wrong password", f"198.51.{minute}.{number}", device)
            except AttemptsError:
                continue
            except LoginError:
                guesses += 1
        assert guesses == min((minute + 1) * MOST, MOST_OF_A_NAME)
        clock.now_s += WINDOW_S
    assert access.log_in("see", PASSWORD, THERE)  # its owner, in another browser, is not kept out by it
    many_guess(access, clock, "manage")
    with pytest.raises(AttemptsError):
        access.log_in("manage", PASSWORD, THERE, device)


def test_a_browser_keeps_beyond_its_session_that_it_had_one(farm: Farm) -> None:
    """Out of reach of scripts, also after a log-out; so the owner logs in again while strangers use up the hour."""
    first = farm.log_in("see")
    kept = [cookie for cookie in first.headers.get_list("set-cookie") if cookie.startswith("session_device=")]
    assert ["HttpOnly" in cookie and "SameSite=lax" in cookie for cookie in kept] == [True]
    browser = {**OWN, "cookie": kept[0].split(";")[0]}
    out = farm.ask("POST", "/logout", headers=browser)
    assert not [cookie for cookie in out.headers.get_list("set-cookie") if "device" in cookie]
    many_guess(farm.access, farm.clock, "see")
    assert (farm.log_in("see").status_code, farm.log_in("see", headers=browser).status_code) == (429, 303)


@pytest.mark.parametrize("what", ["age", "password", "another user of that name"])
def test_a_device_is_forgotten(access: Access, clock: Clock, what: str) -> None:
    """After a season without a login, and with a new password: whoever kept the cookie is a stranger again."""
    device = access.log_in("see", PASSWORD, HERE).device
    if what == "age":
        clock.now_s += DEVICE_S
    elif what == "password":
        access.set_password("see", OTHER)
    else:
        access.delete_user("see")
        access.add_user("see", PASSWORD, Role.SEE)
    many_guess(access, clock, "see")
    with pytest.raises(AttemptsError):
        access.log_in("see", OTHER if what == "password" else PASSWORD, THERE, device)


def test_a_login_between_guesses_does_not_begin_the_count_again(access: Access) -> None:
    """Who has a user of their own cannot use it to guess another's password for ever."""
    for _ in range(MOST):
        fail(access, "manage")
        if _ < MOST - 1:
            assert access.log_in("see", PASSWORD, HERE)
    with pytest.raises(AttemptsError):
        access.log_in("see", PASSWORD, HERE)


def test_logins_that_succeed_are_no_attempts(access: Access) -> None:
    """A whole crew behind one address logs in within the same minute."""
    for _ in range(4 * MOST):
        assert access.log_in("see", PASSWORD, HERE)


def test_attempts_at_once_are_no_more_than_in_turn(access: Access) -> None:
    """Twenty guesses in the same moment: five are judged, the others are not heard."""
    results = at_once(20, lambda _: access.log_in("see", "a wrong password", HERE))
    kinds = [type(result) for result in results]
    assert kinds.count(LoginError) == MOST
    assert kinds.count(AttemptsError) == 20 - MOST


@pytest.mark.parametrize(
    ("address", "neighbour", "is_one"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("testclient", "another", True),
    ],
)
def test_an_address_is_counted_as_its_owner(access: Access, address: str, neighbour: str, is_one: bool) -> None:
    """Who has one address of IPv6 has all of its network, and is one of them all the same."""
    for number in range(MOST):
        fail(access, f"nobody{number}", address)
    if is_one:
        with pytest.raises(AttemptsError):
            access.log_in("see", PASSWORD, neighbour)
    else:
        assert access.log_in("see", PASSWORD, neighbour)


def test_a_clock_put_back_keeps_nobody_out(access: Access, clock: Clock) -> None:
    """After a clock was a year ahead, one may log in at the right time again."""
    clock.now_s += 365 * DAY_S
    for _ in range(MOST):
        fail(access)
    clock.now_s -= 365 * DAY_S
    assert access.log_in("see", PASSWORD, HERE)


def test_the_limit_holds_after_a_restart(tmp_path: Path, access: Access) -> None:
    """To kill the server gives no new attempts."""
    for _ in range(MOST):
        fail(access)
    again = Access(tmp_path / "access.sqlite", Clock(), hasher=QUICK)
    with pytest.raises(AttemptsError):
        again.log_in("see", PASSWORD, HERE)
    again.close()
