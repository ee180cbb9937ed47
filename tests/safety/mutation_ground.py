"""Mechanisms of the mutation list in certificates, records and what is believed of the soil; see `mutation_list`."""

from tests.safety.mutation_places import (
    AUTHORITY,
    COMPUTE_TESTS,
    DECIDE,
    GATE,
    OUTBOX,
    OUTBOX_TESTS,
    ZONE_TABLES,
    Mutation,
)

CERTS_TESTS = "tests/certs/test_authority.py::"

GROUND_MUTATIONS = (
    Mutation(
        "an identity is of this CA by its signature",
        AUTHORITY,
        "            and _is_issued_by(certificate, ca)\n",
        "",
        CERTS_TESTS + "test_what_only_names_this_ca_is_issued_again",
    ),
    Mutation(
        "an identity is no CA",
        AUTHORITY,
        "x509.BasicConstraints(ca=False, path_length=None)",
        "x509.BasicConstraints(ca=True, path_length=None)",
        CERTS_TESTS + "test_an_identity_can_sign_no_other",
    ),
    Mutation(
        "an identity's key signs no certificate",
        AUTHORITY,
        "_key_usage(digital_signature=True), critical",
        "_key_usage(digital_signature=True, key_cert_sign=True), critical",
        CERTS_TESTS + "test_an_identity_can_sign_no_other",
    ),
    Mutation(
        "no identity outlives its CA",
        AUTHORITY,
        "min(IDENTITY_LIFE, ca.not_valid_after_utc - self._now())",
        "IDENTITY_LIFE",
        CERTS_TESTS + "test_no_identity_outlives_its_ca",
    ),
    Mutation(
        "a certificate with two names is nobody's",
        GATE,
        'names[0] if len(names) == 1 else ""',
        'names[0] if names else ""',
        "tests/safety/test_strangers_at_the_gate.py::test_a_certificate_with_two_names_has_none",
    ),
    Mutation(
        "samples that wait are packed only in need",
        OUTBOX,
        " and not self._ordinary:",
        ":",
        OUTBOX_TESTS + "TheBounds::test_samples_that_wait_still_become_one_reading",
    ),
    Mutation(
        "a side that cannot be read is replaced",
        "firmware/lib/gateway/journal.py",
        "            self._current = 1 - slot  #",
        "            #",
        OUTBOX_TESTS + "AfterAPowerCut::test_a_side_that_comes_back_does_not_undo_what_came_after",
    ),
    Mutation(
        "a sample is kept as it was first heard",
        ZONE_TABLES,
        '"INSERT OR IGNORE INTO samples (',
        '"INSERT OR REPLACE INTO samples (',
        COMPUTE_TESTS + "test_ports.py::test_a_sample_is_kept_once[sqlite]",
    ),
    Mutation(
        "by the balance alone for ten days",
        DECIDE,
        " and case.now - model.belief.at < BY_BALANCE_S:",
        ":",
        COMPUTE_TESTS + "test_decide.py::test_the_balance_goes_on_alone_for_ten_days_only",
    ),
    Mutation(
        "a surprise waits once",
        "agronomy/fusion.py",
        "        if not belief.surprised:\n",
        "        if False:\n",
        COMPUTE_TESTS + "test_fusion.py::test_one_surprise_is_waited_out_and_two_are_believed",
    ),
    Mutation(
        "what a crop drinks is bounded",
        "agronomy/fusion.py",
        "    demand = min(max(demand, tuning.least_demand), tuning.most_demand)\n",
        "",
        COMPUTE_TESTS + "test_fusion.py::test_no_crop_is_believed_to_drink_beyond_reason",
    ),
    Mutation(
        "a drifting probe counts alone only",
        "agronomy/probes.py",
        "sorted(steady or usable,",
        "sorted(usable,",
        COMPUTE_TESTS + "test_probes.py::test_a_drifting_probe_counts_only_where_there_is_no_other",
    ),
    Mutation(
        "no more evaporates than there is",
        "agronomy/balance.py",
        "    if demand_mm <= there_mm or demand_mm == 0:",
        "    if True:",
        COMPUTE_TESTS + "test_balance.py::test_no_more_evaporates_than_there_is",
    ),
)
