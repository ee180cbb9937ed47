"""What keeps a board's firmware its owner's, and a bad version from staying."""

from tests.safety.mutation_places import BOOT_SLOTS, IMAGE, IMAGE_TESTS, SIGNATURE, UPDATE, UPDATE_TESTS, Mutation

UPDATE_MUTATIONS = (
    Mutation(
        "over the air: the manifest's signature",
        UPDATE,
        "            if verdict:\n",
        "            if True:\n",
        UPDATE_TESTS + "ARefusal::test_a_signature_of_somebody_else",
    ),
    Mutation(
        "over the air: numbers of a signature within their range",
        SIGNATURE,
        "at == len(signature) and 0 < r < N and 0 < s < N",
        "at == len(signature)",
        "tests/vm/portable/test_signature.py::ASignature::test_numbers_out_of_range",
    ),
    Mutation(
        "over the air: no older version",
        UPDATE,
        'if document["version"] <= max(',
        'if document["version"] < 0 * max(',
        UPDATE_TESTS + "ARefusal::test_an_older_version",
    ),
    Mutation(
        "over the air: each file's checksum",
        UPDATE,
        "return _sha256(path) == digest",
        "return True",
        UPDATE_TESTS + "ARefusal::test_a_file_that_was_changed",
    ),
    Mutation(
        "over the air: an image's checksum",
        IMAGE,
        "if await self._sha256(step, size) == digest:",
        "if True:",
        IMAGE_TESTS + "test_what_is_not_as_it_was_signed",
    ),
    Mutation(
        "over the air: only the image that runs confirms itself",
        UPDATE,
        'if not image or image.running != trial["image"]:',
        "if not image:",
        IMAGE_TESTS + "test_a_power_cut_at_every_operation_of_one_that_is_not_well",
    ),
    Mutation(
        "over the air: an image that is well is called valid",
        UPDATE,
        "            image.keep()\n",
        "",
        IMAGE_TESTS + "test_one_after_the_other",
    ),
    Mutation(
        "over the air: a sector is erased before it is written",
        IMAGE,
        "                if not place:\n",
        "                if place:\n",
        IMAGE_TESTS + "test_one_after_the_other",
    ),
    Mutation(
        "over the air: a trial has three starts",
        BOOT_SLOTS,
        'is_due = trial["starts"] < STARTS',
        "is_due = True",
        UPDATE_TESTS + "ATrial::test_a_version_that_never_comes_online",
    ),
    Mutation(
        "over the air: a start that cannot be counted is none",
        BOOT_SLOTS,
        "        is_due = False\n",
        "        pass\n",
        UPDATE_TESTS + "ATrial::test_a_trial_that_cannot_be_counted",
    ),
)
