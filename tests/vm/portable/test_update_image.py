"""An update of frozen modules on both runtimes: a whole signed image runs in the end, or the one before."""

import gc
import sys
import unittest

from gateway import store, update
from tests.vm.portable.bench import AsyncTestCase
from tests.vm.portable.fake_partition import SECTOR_BYTES, Chip
from tests.vm.portable.update_world import NEW, Bundle, Cloud, World, slots

STRIDE = 17 if sys.implementation.name == "micropython" else 1  # of the cuts; the VM is slower
LIVES = 12
SIZE = 6 * SECTOR_BYTES
OLD_IMAGE = b"\xe9 the image that was flashed"
NEW_IMAGE = b"\xe9" + bytes(range(256)) * 4 * 19 + b"the end"  # of sectors one is begun, and of blocks one is short


def bundle(version=2, content=NEW_IMAGE):
    return Bundle(version, {update.IMAGE: content})


class Frozen(World):
    """A board whose modules are in the image that its chip runs."""

    def __init__(self, cloud):
        super().__init__(cloud, files={}, left={})
        self.chip = Chip(self.flash, SIZE, OLD_IMAGE)
        store.TwoSlots(store.FileStore(""), "mark").save({"good": {"folder": "", "version": 1}})
        self.flash.done = []

    def partitions(self):
        return self.chip.partitions()

    def boot(self):
        self.chip.boot()
        return super().boot()

    @property
    def runs(self):
        """The image that runs, of the two that there are."""
        return [known for known in (OLD_IMAGE, NEW_IMAGE) if self.chip.image(len(known)) == known]


class AnImage(AsyncTestCase):
    def setUp(self):
        from gateway import image  # noqa: PLC0415  # another test may have let it go

        self.first, self.image, self.saved_bytes = None, image, image.SAVED_BYTES
        image.SAVED_BYTES = 2 * SECTOR_BYTES

    def tearDown(self):
        self.image.SAVED_BYTES = self.saved_bytes
        self.first.leave()

    def world(self, cloud):
        gc.collect()
        world = Frozen(cloud)
        self.first = self.first or world  # which knows what the modules had before
        return world

    async def to_the_end(self, world, is_well=True):
        """Live until there is nothing left to do; `is_well`: the new image comes online."""
        for _ in range(LIVES):
            world.boot()
            self.assertEqual(len(world.runs), 1)
            if (is_well or world.runs == [OLD_IMAGE]) and await world.live():
                world.boot()
                return
        raise AssertionError(f"no end after {LIVES} lives: {world.cloud.said}")

    async def at_every_operation(self, is_well, runs, end, slack):
        """Before each operation of the flash and within it: one image is whole and runs, and the job ends as ever."""
        whole = self.world(Cloud(bundle()))
        await self.to_the_end(whole, is_well)
        self.assertEqual((whole.runs, whole.cloud.ends()), ([runs], [end]))
        self.assertTrue(len(whole.flash.done) > 40)
        for number in range(0, len(whole.flash.done), STRIDE):
            for part in ("before", "torn"):
                world = self.world(Cloud(bundle()))
                world.flash.cut = (number, part)
                try:
                    await self.to_the_end(world, is_well)
                    self.assertEqual((world.cuts, world.runs, world.cloud.ends()[-1]), (1, [runs], end))
                    self.assertTrue(len(world.cloud.blocks) <= len(whole.cloud.blocks) + slack, world.cloud.blocks)
                except AssertionError as error:
                    raise AssertionError(f"cut {number} {part} at {whole.flash.done[number]}: {error}") from error

    async def test_a_power_cut_at_every_operation(self):
        """The new image runs in the end, and of the old transfer no more is asked for again than between two notes."""
        await self.at_every_operation(True, NEW_IMAGE, ("job-1", "SUCCEEDED", None), 2 * SECTOR_BYTES // 1024 + 1)

    async def test_a_power_cut_at_every_operation_of_one_that_is_not_well(self):
        """The old image runs in the end, and the job has failed."""
        await self.at_every_operation(False, OLD_IMAGE, ("job-1", "FAILED", "health"), 2 * SECTOR_BYTES // 1024 + 1)

    async def test_one_after_the_other(self):
        """Each goes into the partition that does not run; the version counts over both."""
        world = self.world(Cloud(bundle()))
        await self.to_the_end(world)
        self.assertEqual(world.chip.running, "ota_1")
        for version, end in ((2, ("job-2", "FAILED", "older")), (3, ("job-3", "SUCCEEDED", None))):
            world.cloud.bundle = bundle(version, OLD_IMAGE)
            world.cloud.jobs = [(f"job-{version}", world.cloud.bundle.document())]
            await self.to_the_end(world)
            self.assertEqual(world.cloud.ends()[-1], end)
        self.assertEqual((world.chip.running, world.runs), ("ota_0", [OLD_IMAGE]))

    async def refused(self, cloud, reason):
        world = self.world(cloud)
        world.boot()
        self.assertTrue(await world.live())
        self.assertEqual((cloud.ends(), world.mark().get("trial")), ([("job-1", "FAILED", reason)], None))
        world.boot()
        self.assertEqual(world.runs, [OLD_IMAGE])
        return world

    async def test_what_is_not_as_it_was_signed(self):
        """By somebody else, or with one byte changed: it never starts."""
        await self.refused(Cloud(Bundle(2, {update.IMAGE: NEW_IMAGE}, secret=4711)), "signature")
        for at in (0, 5000, len(NEW_IMAGE) - 1):
            changed = bundle()
            data = bytearray(NEW_IMAGE)
            data[at] ^= 1
            changed.files[1] = bytes(data)
            await self.refused(Cloud(changed), "hash")

    async def test_what_is_none_for_this_board(self):
        """Modules, an image with a module beside it, one that the chip cannot start, or that has no room."""
        await self.refused(Cloud(Bundle(2, NEW)), "layout")
        await self.refused(Cloud(Bundle(2, {update.IMAGE: NEW_IMAGE, "board.mpy": b"x"})), "layout")
        await self.refused(Cloud(bundle(content=b"no image" * 1000)), "image")
        await self.refused(Cloud(bundle(content=b"\xe9" * (SIZE + 1))), "storage")

    async def test_one_that_the_chip_cannot_start_is_not_tried_again(self):
        """Under the same version it is refused at once, without a block."""
        world = await self.refused(Cloud(bundle(content=b"no image" * 1000)), "image")
        world.cloud.jobs = [("job-2", world.cloud.bundle.document())]
        blocks = len(world.cloud.blocks)
        self.assertTrue(await world.live())
        self.assertEqual((world.cloud.ends()[1:], len(world.cloud.blocks)), ([("job-2", "FAILED", "health")], blocks))

    async def test_a_valve_that_is_open(self):
        """It puts the restart off, and so the choice of the image."""
        world = self.world(Cloud(bundle()))
        world.boot()
        world.watering = [["plot-1a"]] * 3
        self.assertFalse(await world.live())
        self.assertEqual((world.watering, world.chip.next), ([], "ota_1"))

    async def test_its_time_ends(self):
        """One that runs and never comes online is ended, and then the boot loader takes the one before."""
        world = self.world(Cloud(bundle()))
        world.boot()
        await world.live()
        real, slots.TRIAL_S = slots.TRIAL_S, 0
        try:
            self.assertTrue(world.boot())
            with self.assertRaises(RuntimeError):
                await slots.trial()
        finally:
            slots.TRIAL_S = real
        world.boot()
        self.assertEqual(world.runs, [OLD_IMAGE])


if __name__ == "__main__":
    unittest.main()
