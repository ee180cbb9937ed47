"""How the sentences of `web`, of the store and of a zones file's mistakes are built, for `console.translation`.

Each is a pattern; its groups go into the places of the words of the same key. `tests/console/test_told.py` walks the
code that says them, and fails with the sentence that no pattern knows.
"""

from collections.abc import Mapping

Q = "['\"]"  # around what somebody typed

# Who may come in, and how
ACCESS: Mapping[str, str] = {
    "no_fit": r"name and password do not fit",
    "attempts": r"too many attempts to log in; try again in (?P<seconds>\d+) s",
    "log_in_first": r"log in first",
    "role": r"this needs the role (?P<needs>\S+); (?P<name>.*) has the role (?P<role>\S+)",
    "user_name": rf"{Q}(?P<name>.*){Q} is no name of a user: 1 to 63 letters, digits and \. _ - @ \+ and spaces",
    "user_known": rf"there is a user {Q}(?P<name>.*){Q} already",
    "user_unknown": rf"there is no user {Q}(?P<name>.*){Q}; known are (?P<names>.*)",
    "user_by_provider": r"(?P<name>.*) logs in with the identity provider and has no password here",
    "users_many": r"there are too many users with the name (?P<name>.*)",
    "token_name": rf"{Q}(?P<name>.*){Q} is no name of a token: 1 to 63 of a-z 0-9 \. _ - with a letter among them",
    "token_known": rf"there is a token {Q}(?P<name>.*){Q} already; revoke it first, or choose another name",
    "token_unknown": rf"there is no valid token {Q}(?P<name>.*){Q}; valid are (?P<names>.*)",
    "password_short": r"the password is too short: (?P<count>\d+) characters, at least (?P<least>\d+)",
    "password_long": r"the password is too long: (?P<count>\d+) characters, at most (?P<most>\d+)",
    "password_plain": r"the password is the name, or one character over and over; choose another",
    "not_done_here": rf"{Q}(?P<name>.*){Q} cannot be done here",
    "provider_window": r"this login was begun in another window or browser; begin again",
    "provider_late": r"the login took too long; begin again",
    "provider_other": r"the answer comes from another identity provider than the one that was asked",
    "provider_says": r"the identity provider says: (?P<why>.*)",
    "provider_nobody": r"the identity provider does not say who it is",
    "provider_role": r"the identity provider gives no role here: no known value in the claim (?P<claim>.*)",
    "provider_status": r"the identity provider answers with (?P<status>.*) and no JSON object",
    "provider_refuses": r"the identity provider refuses: (?P<why>.*)",
    "provider_cookies": r"this browser has begun no login, or keeps no cookies; begin again",
    "provider_name": r"the identity provider calls itself (?P<name>.*)",
    "provider_word": r"the identity provider's word does not hold: (?P<why>.*)",
    "provider_silent": r"the identity provider cannot be asked: (?P<why>.*)",
    "provider_wrong": r"the identity provider describes itself wrongly: (?P<why>.*)",
}
# What a request cannot be
REQUESTS: Mapping[str, str] = {
    "host": r"this server has another name; open it by its own address",
    "origin_none": r"the request says not from which page it comes \(Origin\); machines use a token",
    "origin_other": r"the request comes from another site's page; nothing was changed",
    "large": r"the request is too large: at most (?P<bytes>\d+) bytes",
    "ours": r"something went wrong here, and the log says what; nothing is known to have changed",
    "method": r"(?P<path>\S+) knows no (?P<method>\S+), only (?P<methods>.*)",
    "path": r"there is no (?P<path>/.*)",
    "not_found": r"Not Found",
}
# What cannot be done with the service's files
FILES: Mapping[str, str] = {
    "alarm": rf"there is no alarm {Q}(?P<name>.*?){Q}(?:, did you mean .*\?)?; (?P<names>.*)",
    "alarm_service": r"that the service does not move ends when it moves again; there is nothing to acknowledge",
    "settings_changed": r"(?P<path>.*) was changed meanwhile; look at it again, and edit it as it is now",
    "settings_unread": r"(?P<path>.*): cannot be read \((?P<why>.*)\); give the zones file that the service runs with",
    "settings_unwritten": r"(?P<path>.*): cannot be written \((?P<why>.*)\); nothing was changed",
    "store_no_service": r"(?P<path>.*): no service has run on it yet; start one: (?P<command>.*)",
    "store_none": r"(?P<path>.*): no such store; give the --store that the service runs with",
    "store_version": r"(?P<path>.*): has schema (?P<version>.*), this service knows (?P<known>.*); update it",
    "store_settings": r"(?P<path>.*): has no settings (?P<digest>.*); was a part of the file lost\?",
    "store_broken": r"(?P<path>.*): (?P<why>.*); check the path, the disk and its free space",
}
LEAD = r"(?P<lead>.*?: )"  # the file and its line, the zone and field, the value
# What the service says of a zones file, line by line
MISTAKES: Mapping[str, str] = {
    "mistake_quotes": LEAD + r"want a number of (?P<unit>.*) from (?P<least>\S+) to (?P<most>\S+), without quotes",
    "mistake_slip": LEAD + r"looks like (?P<what>.*); write (?P<better>\S+)",
    "mistake_limits": LEAD + r"want (?P<least>-?[\d.e+]+) to (?P<most>-?[\d.e+]+) (?P<unit>.*)",
    "mistake_no_such": LEAD + r"not known here; (?:did you mean (?P<near>.*)\?|known: (?P<names>.*))",
    "mistake_key": LEAD
    + rf"unknown key {Q}(?P<name>.*?){Q}(?:, did you mean {Q}(?P<near>.*){Q}\?)?; known: (?P<names>.*)",
    "mistake_missing": LEAD + r"(?P<name>\w+) is missing",
    "mistake_twice": LEAD + r"(?P<name>\w+) is written twice; keep one",
    "mistake_used": LEAD + r"is used before; every zone and every probe has its own",
    "mistake_owner": LEAD + r"is a sensor of (?P<owner>.*), and the zone's gateway_id is (?P<gateway>.*)",
    "mistake_pump": LEAD
    + r"the zone takes (?P<takes>\S+) l/min, and the pump gives (?P<gives>\S+); water a smaller area",
    "mistake_empty": r"(?P<lead>.*): is empty; .* has an example",
    "mistake_yaml": LEAD + r"not valid YAML: (?P<why>.*); check keys, indentation and quotes",
    "mistake_zone_time": LEAD + r"is no time zone(?:, did you mean (?P<near>.*)\?)?; .*",
    "mistake_list": LEAD + r"want a list of (?P<what>.*)",
    "mistake_other": LEAD + r"want (?P<what>.*)",
}
