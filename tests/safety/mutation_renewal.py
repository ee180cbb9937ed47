"""What keeps a board's identity its own while it is renewed, and a stolen one from coming back."""

from tests.safety.mutation_places import (
    AUTHORITY,
    REGISTRY,
    RENEWAL,
    RENEWAL_TESTS,
    ROLLOUT,
    SPARES,
    UPDATE_RENEWAL,
    Mutation,
)

GATE_TEST = "tests/local_cloud/test_renewal.py::test_after_the_settle_the_old_certificate_opens_nothing"
JOB_TESTS = "tests/updates/test_renewal.py::"

RENEWAL_MUTATIONS = (
    Mutation(
        "renewal: never of a revoked thing",
        RENEWAL,
        "        if self._is_revoked(certificate):\n            raise RevokedThingError(thing_name)\n",
        "",
        RENEWAL_TESTS + "test_a_revoked_thing_is_not_renewed",
    ),
    Mutation(
        "renewal: never with a spare of a revoked board",
        RENEWAL,
        'if (self.folder / REVOKED_KEYS / f"{spares.id_of(key)}.pem").exists():',
        "if False:",
        RENEWAL_TESTS + "test_a_spare_of_a_revoked_board_is_never_certified",
    ),
    Mutation(
        "renewal: no settle without the serial that was seen",
        RENEWAL,
        "            if _number(serial) != certificate.serial_number:\n",
        "            if not _number(serial):\n",
        RENEWAL_TESTS + "test_settle_wants_the_serial_that_was_seen",
    ),
    Mutation(
        "renewal: no withdrawal under a board that has the next one",
        RENEWAL,
        "if unsettled == certificate or _number(serial) != certificate.serial_number:",
        "if False:",
        RENEWAL_TESTS + "test_a_next_that_was_not_taken_is_withdrawn",
    ),
    Mutation(
        "renewal: private spares go with the hand-over",
        SPARES,
        '(folder / FOLDER).glob("*spare_*.der*")',
        "()",
        RENEWAL_TESTS + "test_no_private_spare_stays_after_the_hand_over",
    ),
    Mutation(
        "renewal: a spare that is here is not certified",
        RENEWAL,
        'if unsent := spares.numbers(folder, "der"):',
        "if unsent := list[int]():",
        RENEWAL_TESTS + "test_a_spare_that_is_still_here_is_not_certified",
    ),
    Mutation(
        "renewal: the old certificate ends with the settle",
        RENEWAL,
        "self._history(thing_name).items() if name != id_of(certificate)",
        "self._history(thing_name).items() if False",
        GATE_TEST,
    ),
    Mutation(
        "renewal: the gate refuses the old certificate after the settle",
        REGISTRY,
        'None if (self._revoked / f"{fingerprint}.pem").exists() else self._active.get(fingerprint)',
        "self._active.get(fingerprint)",
        GATE_TEST,
    ),
    Mutation(
        "renewal: what is on a board is not issued anew",
        AUTHORITY,
        "(self._is_valid(request, ca) or self._is_the_boards(request, ca))",
        "self._is_valid(request, ca)",
        RENEWAL_TESTS + "test_issue_does_not_replace_what_is_on_a_board",
    ),
    Mutation(
        "renewal: no job for a revoked thing",
        UPDATE_RENEWAL,
        'if (certs / "ca" / "revoked" / f"{hashlib.sha256(_der(certificate)).hexdigest()}.pem").exists():',
        "if False:",
        JOB_TESTS + "test_a_revoked_thing_gets_no_certificate",
    ),
    Mutation(
        "renewal: a roll-out waits for a board that is renewing",
        ROLLOUT,
        " and (job.is_renewal or not self._store.is_renewing(job))",
        "",
        JOB_TESTS + "test_a_stage_waits_for_a_board_that_is_renewing",
    ),
)
