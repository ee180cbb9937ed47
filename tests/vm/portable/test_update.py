"""An update over the air on both runtimes: what is signed, newer and whole runs in the end, and nothing else ever."""

import sys
import unittest

from gateway import update
from tests.vm.portable.bench import AsyncTestCase
from tests.vm.portable.update_world import FORGET, LEFT, NEW, OLD, Bundle, Cloud, World, slots

MICROPYTHON = sys.implementation.name == "micropython"
STRIDE = 23 if MICROPYTHON else 1  # of the cuts; the VM is slower
LIVES = 8  # more than any of these boards needs


class Updating(AsyncTestCase):
    def setUp(self):
        self.worlds = []

    def tearDown(self):
        for world in self.worlds[:1]:
            world.leave()

    def world(self, cloud, **more):
        self.worlds.append(World(cloud, **more))
        return self.worlds[-1]

    async def to_the_end(self, world):
        """Live until there is nothing left to do; at each boot what runs is whole."""
        for _ in range(LIVES):
            world.boot()
            self.assertTrue(world.image() in (OLD, NEW), world.image())
            if await world.live():
                return
        raise AssertionError(f"no end after {LIVES} lives: {world.cloud.said}")


class APowerCut(Updating):
    def cuts(self, whole):
        """Before each operation of a life without a cut, and within it."""
        self.assertTrue(len(whole.flash.done) > 30)
        return [(number, part) for number in range(len(whole.flash.done)) for part in ("before", "torn")][::STRIDE]

    async def test_at_every_operation_of_the_flash(self):
        """Before it and within it: a whole image boots, the update comes to its end, one block at most comes again."""
        bundle = Bundle(2, NEW)
        whole = self.world(Cloud(bundle))
        await self.to_the_end(whole)
        self.assertEqual(whole.cloud.ends(), [("job-1", "SUCCEEDED", None)])
        self.assertEqual((whole.image(), whole.running), (NEW, "/b"))
        for cut in self.cuts(whole):
            world = self.world(Cloud(bundle))
            world.flash.cut = cut
            try:
                await self.to_the_end(world)
                self.assertEqual((world.cuts, world.image(), world.running), (1, NEW, "/b"))
                self.assertEqual(world.cloud.ends()[-1], ("job-1", "SUCCEEDED", None))
                self.assertTrue(len(world.cloud.blocks) <= len(whole.cloud.blocks) + 1, world.cloud.blocks)
                self.assertEqual(world.mark()["good"]["version"], 2)
            except AssertionError as error:
                raise AssertionError(f"cut {cut} at {whole.flash.done[cut[0]]}: {error}") from error

    async def until_it_is_given_up(self, world):
        """Lives of which none with the new version comes online."""
        for _ in range(2 * LIVES):
            world.boot()
            self.assertTrue(world.image() in (OLD, NEW), world.image())
            if world.image() == OLD and await world.live():
                return
        raise AssertionError(f"no end: {world.cloud.said}")

    async def test_at_every_operation_of_a_trial_that_fails(self):
        """The same of a version that never comes online: the old one runs in the end, and the job has failed."""
        bundle = Bundle(2, NEW)
        whole = self.world(Cloud(bundle))
        await self.until_it_is_given_up(whole)
        for cut in self.cuts(whole):
            world = self.world(Cloud(bundle))
            world.flash.cut = cut
            try:
                await self.until_it_is_given_up(world)
                self.assertEqual((world.cuts, world.image()), (1, OLD))
                self.assertEqual(world.cloud.ends(), [("job-1", "FAILED", "health")])
            except AssertionError as error:
                raise AssertionError(f"cut {cut} at {whole.flash.done[cut[0]]}: {error}") from error


class ATrial(Updating):
    async def test_a_version_that_never_comes_online(self):
        """It gets three starts; then the old one runs again, the job fails, and it is never tried again."""
        world = self.world(Cloud(Bundle(2, NEW)))
        world.boot()
        self.assertFalse(await world.live())
        for _ in range(slots.STARTS):
            self.assertTrue(world.boot())
            self.assertEqual(world.image(), NEW)
        for _ in range(2):
            self.assertFalse(world.boot())
            self.assertEqual(world.image(), OLD)
        self.assertTrue(await world.live())
        self.assertEqual(world.cloud.ends(), [("job-1", "FAILED", "health")])
        world.cloud.jobs = [("job-2", world.cloud.bundle.document())]
        await self.to_the_end(world)
        self.assertEqual(world.cloud.ends()[1:], [("job-2", "FAILED", "health")])
        self.assertEqual(world.image(), OLD)
        better = Bundle(3, NEW)
        world.cloud.bundle, world.cloud.jobs = better, [("job-3", better.document())]
        await self.to_the_end(world)
        self.assertEqual(world.cloud.ends()[2:], [("job-3", "SUCCEEDED", None)])

    async def test_a_trial_that_cannot_be_counted(self):
        """Of a flash that takes no writes the old version runs: a trial without an end is none."""
        world = self.world(Cloud(Bundle(2, NEW)))
        world.boot()
        await world.live()
        world.flash.full = True
        self.assertFalse(world.boot())
        self.assertEqual(world.image(), OLD)

    async def test_one_after_the_other(self):
        """Each goes into the folder that does not run, and a job that is there again is done already."""
        world = self.world(Cloud(Bundle(2, NEW)))
        await self.to_the_end(world)
        world.cloud.bundle = Bundle(3, OLD)
        world.cloud.jobs = [(name, world.cloud.bundle.document()) for name in ("job-2", "job-3")]
        await self.to_the_end(world)
        self.assertEqual((world.image(), world.running), (OLD, "/a"))
        self.assertEqual(world.cloud.ends(), [(f"job-{number}", "SUCCEEDED", None) for number in (1, 2, 3)])

    async def test_its_time_ends(self):
        """A version that runs and never comes online is ended; one that did goes on."""
        world = self.world(Cloud(Bundle(2, NEW)))
        world.boot()
        await world.live()
        real, slots.TRIAL_S = slots.TRIAL_S, 0
        try:
            world.boot()
            with self.assertRaises(RuntimeError):
                await slots.trial()
            await world.live()
            await slots.trial()
        finally:
            slots.TRIAL_S = real
        self.assertEqual(world.mark()["good"]["version"], 2)

    async def test_torn_marks(self):
        """One that cannot be read or followed is none: the one before counts, and without any what was flashed."""
        for name in ("/mark.0", "/mark.1"):
            for spoilt in (b"", b"x" * 100, bytes(40)):
                world = self.world(Cloud(Bundle(2, NEW)))
                world.boot()
                await world.live()
                world.flash.files[name] = spoilt
                world.boot()
                self.assertTrue(world.image() in (OLD, NEW))
        del world.flash.files["/mark.0"], world.flash.files["/mark.1"]
        world.boot()
        self.assertEqual(world.image(), OLD)

    async def test_a_board_that_was_flashed_flat(self):
        """Without a folder and without a mark the root runs, until an update is there; then again, if that fails."""
        world = self.world(Cloud(Bundle(1, NEW)))
        for path in list(world.flash.files):
            if path.startswith(("/a/", "/b/", "/mark")):
                del world.flash.files[path]
        world.flash.folders = set()
        world.boot()
        self.assertEqual(world.running, "")
        self.assertFalse(await world.live())
        self.assertTrue(world.boot())
        self.assertEqual(world.image(), NEW)
        for _ in range(slots.STARTS):
            world.boot()
        self.assertEqual(world.running, "")


class ARefusal(Updating):
    async def refused(self, cloud, status, reason, **more):
        world = self.world(cloud, **more)
        world.boot()
        self.assertTrue(await world.live())
        self.assertEqual(cloud.ends(), [("job-1", status, reason)])
        self.assertEqual((world.mark().get("trial"), world.image()), (None, OLD))
        world.boot()
        self.assertEqual(world.image(), OLD)
        return world

    async def test_a_signature_of_somebody_else(self):
        """Nothing in such a manifest is looked at."""
        world = await self.refused(Cloud(Bundle(2, NEW, secret=4711)), "FAILED", "signature")
        self.assertEqual([block for block in world.cloud.blocks if block[0]], [])

    async def test_a_manifest_that_was_changed(self):
        """In one byte, in transit or at the cloud."""
        bundle = Bundle(2, NEW)
        for at in (0, 12, len(bundle.manifest) - 1):
            changed = bytearray(bundle.manifest)
            changed[at] ^= 1
            bundle.files[0] = bytes(changed)
            await self.refused(Cloud(bundle), "FAILED", "signature")

    async def test_a_file_that_was_changed(self):
        """It is not kept, and the job fails."""
        bundle = Bundle(2, NEW)
        bundle.files[2] = bundle.files[2][:-1] + b"!"
        world = await self.refused(Cloud(bundle), "FAILED", "hash")
        self.assertEqual(world.flash.below("/b")["lib/gateway/gateway.mpy"], LEFT["lib/gateway/gateway.mpy"])

    async def test_an_older_version(self):
        """As good a signature as it may have; and the same one, signed again, too."""
        for version in (1, 5):
            await self.refused(Cloud(Bundle(version, NEW)), "FAILED", "older", version=5)

    async def test_a_version_that_its_manifest_has_not(self):
        """The document is nobody's signature: it cannot make an old manifest a new one."""
        bundle = Bundle(2, NEW)
        await self.refused(Cloud(bundle, bundle.document(version=9)), "FAILED", "document")

    async def test_documents(self):
        """What is no update is rejected, what is a wrong one fails; neither is worth a block."""
        bundle = Bundle(2, NEW)
        cases = [(7, "REJECTED"), ({}, "REJECTED"), (bundle.document(operation="reboot"), "REJECTED")]
        wrong = [{"version": bad} for bad in (0, -1, "2", True, None, 1.5, 1 << 31)]
        wrong += [{"manifest_bytes": bad} for bad in (0, "9", 8193)]
        wrong += [{"stream": bad} for bad in ("", "a/b", "+", 7, "x" * 129)]
        wrong += [{"signature": bad} for bad in ("", None, "x" * 128)]
        cases += [(bundle.document(**changes), "FAILED") for changes in wrong]
        for document, status in cases:
            cloud = Cloud(bundle)
            cloud.jobs = [("job-1", document)]
            world = await self.refused(cloud, status, "document")
            self.assertEqual(world.cloud.blocks, [])

    async def test_manifests(self):
        """Signed, and yet none for this board: paths that leave the folder, no modules, too many."""
        good = NEW["board.mpy"]
        for path in (
            "../boot.py",
            "/boot.mpy",
            "lib//x.mpy",
            "boot.py",
            "x.mpy/../y.mpy",
            ".mpy",
            "a b.mpy",
            "manifest.json",
        ):
            await self.refused(Cloud(Bundle(2, {"board.mpy": good, path: b"x"})), "FAILED", "document")
        await self.refused(Cloud(Bundle(2, {"image.mpy": good})), "FAILED", "layout")
        await self.refused(Cloud(Bundle(2, {update.IMAGE: good})), "FAILED", "layout")
        for text in (b"{", b"[]", b"7", b"{}", b'{"version": 2, "files": 7}', b'{"version": 2, "files": [7]}'):
            await self.refused(Cloud(Bundle(2, NEW, manifest=text)), "FAILED", "document")
        await self.refused(Cloud(Bundle(2, {"board.mpy": good, "empty.mpy": b""})), "FAILED", "document")

    async def test_a_board_without_keys(self):
        """It takes nothing."""
        for keys in (None, b"", b"[]", b'["00"]', b"{"):
            cloud = Cloud(Bundle(2, NEW))
            world = self.world(cloud)
            world.flash.files.pop("/update_keys.json")
            if keys is not None:
                world.flash.files["/update_keys.json"] = keys
            world.boot()
            self.assertTrue(await world.live())
            self.assertEqual(cloud.ends(), [("job-1", "FAILED", "signature")], keys)

    async def test_a_defect(self):
        """One in the update itself ends the job, and nothing else."""
        cloud = Cloud(Bundle(2, NEW))
        world = self.world(cloud)
        world.flash.stat = None
        world.boot()
        self.assertTrue(await world.live())
        self.assertEqual(cloud.ends(), [("job-1", "FAILED", "error")])

    async def test_no_room(self):
        """A full flash costs the update, and nothing else."""
        world = self.world(Cloud(Bundle(2, NEW)))
        world.boot()
        world.flash.full = True
        self.assertTrue(await world.live())
        self.assertEqual(world.cloud.ends(), [("job-1", "FAILED", "storage")])


class ALink(Updating):
    def setUp(self):
        super().setUp()
        self.answer_s, update.ANSWER_S = update.ANSWER_S, 0.01

    def tearDown(self):
        update.ANSWER_S = self.answer_s
        super().tearDown()

    async def test_answers_that_are_lost(self):
        """Each is asked for again; a cloud that never answers ends the job after ten times."""
        cloud = Cloud(Bundle(2, NEW))
        cloud.before_block = lambda _request: len(cloud.blocks) % 3
        await self.to_the_end(self.world(cloud))
        self.assertEqual(cloud.ends(), [("job-1", "SUCCEEDED", None)])
        cloud = Cloud(Bundle(2, NEW))
        cloud.before_block = lambda _request: True
        world = self.world(cloud)
        world.boot()
        await world.live()
        self.assertEqual((cloud.ends(), len(cloud.blocks)), ([("job-1", "FAILED", "stream")], update.ATTEMPTS))

    async def test_answers_that_are_wrong(self):
        """Of another file, too short, no base64: not taken, whatever else comes; then the right one is."""
        cloud = Cloud(Bundle(2, NEW))
        strange = [{"f": 0, "i": 1, "p": "AAAA"}, {"f": 0, "i": 0, "p": "AAAA"}, {"f": 0, "i": 0, "p": 7}, [], {}, 7]

        def first(request):
            if len(cloud.blocks) == 1:
                for message in strange:
                    cloud.answer("streams/stream-2/data/json", message)
                cloud.answer("streams/stream-2/rejected/json", {"o": "ResourceNotFound", "m": "?"})
            return False

        cloud.before_block = first
        await self.to_the_end(self.world(cloud))
        self.assertEqual(cloud.ends(), [("job-1", "SUCCEEDED", None)])

    async def test_a_connection_that_is_lost(self):
        """While there is none nothing is asked; when it is back, the same block is."""
        cloud = Cloud(Bundle(2, NEW))

        def lose(_request):
            if len(cloud.blocks) != 2:
                return False
            cloud.online = False
            cloud.update._wake.clear()
            back()
            return True

        def back():
            cloud.online = True
            cloud.update.hear("", b"")

        cloud.before_block = lose
        await self.to_the_end(self.world(cloud))
        self.assertEqual(cloud.ends(), [("job-1", "SUCCEEDED", None)])
        self.assertEqual(cloud.blocks[1], cloud.blocks[2])

    async def test_a_job_that_is_taken_back(self):
        """It ends where it is, without a word; another one that comes first is done instead."""
        bundle = Bundle(2, NEW)
        for jobs in ([], [("job-2", bundle.document())]):
            cloud = Cloud(bundle)

            def cancel(_request, cloud=cloud, jobs=jobs):
                if len(cloud.blocks) == 2:
                    cloud.jobs = jobs
                    cloud.answer("jobs/notify-next", {"timestamp": 1})
                return False

            cloud.before_block = cancel
            world = self.world(cloud)
            await self.to_the_end(world)
            self.assertEqual(cloud.ends(), [(job, "SUCCEEDED", None) for job, _ in jobs])
            self.assertEqual(world.image(), NEW if jobs else OLD)

    async def test_an_answer_that_comes_twice(self):
        """A job that has ended is not done once more."""
        cloud = Cloud(Bundle(2, NEW, secret=4711))
        stale = cloud._next()

        def ask_twice(_request):
            cloud.answer("jobs/start-next/accepted", stale)
            return False

        cloud.before_block = ask_twice
        world = self.world(cloud)
        world.boot()
        plain = cloud._take_status

        def take_status(job_id, message):
            plain(job_id, message)
            cloud.answer("jobs/start-next/accepted", stale)

        cloud._take_status = take_status
        self.assertTrue(await world.live())
        self.assertEqual(cloud.ends(), [("job-1", "FAILED", "signature")])

    async def test_the_restart_waits_for_the_valves(self):
        """A run is not cut short for an update."""
        world = self.world(Cloud(Bundle(2, NEW)))
        world.watering = [["plot-1a"]] * 9
        world.boot()
        self.assertFalse(await world.live())
        self.assertEqual(world.watering, [])

    async def test_nothing_stays_in_memory(self):
        """When the last job is done, neither the update's code nor the signature's is loaded."""
        cloud = Cloud(Bundle(2, NEW, secret=4711))
        world = self.world(cloud)
        update._forget = FORGET
        world.boot()
        kept = sys.modules["gateway.update"]
        await world.live()
        loaded = [name for name in sys.modules if name in ("gateway.update", "gateway.signature")]
        sys.modules["gateway.update"] = sys.modules["gateway"].update = kept
        self.assertEqual(loaded, [])

    async def test_messages_of_others(self):
        """Another thing's topics, and what is no JSON, are not for this board."""
        cloud = Cloud(Bundle(2, NEW))
        cloud.jobs = []
        world = self.world(cloud)
        world.boot()
        await world.live()
        for topic, payload in (
            ("$aws/things/other/jobs/notify-next", b"{}"),
            ("$aws/things/irrigation-gateway-1/jobs/notify-next", b"{"),
            ("$aws/things/irrigation-gateway-1/jobs/notify-next", b"[]"),
        ):
            cloud.update.hear(topic, payload)
        self.assertEqual(cloud.update._inbox, [])


if __name__ == "__main__":
    unittest.main()
