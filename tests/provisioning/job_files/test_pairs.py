"""Memory that goes with a processor, as the clouds' own pages have it: each border, and what lies beside it."""

from pathlib import Path

import pytest

from provisioning.job_files.errors import JobFileError
from provisioning.job_files.read import Reader
from tests.provisioning.job_files.files import job, lay

# https://docs.cloud.google.com/run/docs/configuring/jobs/cpu and .../jobs/memory-limits: jobs are of the second
# generation, whose least is 512 MiB.
CLOUD_RUN_MIB = {"1": (512, 4096), "2": (512, 8192), "4": (2048, 16384), "6": (4096, 24576), "8": (4096, 32768)}


def is_taken(folder: Path, cpu: str, memory: str) -> bool:
    """Whether a job of Cloud Run may have them; if not, the one mistake is the memory's."""
    path = lay(folder, job("gcp_cloud_run", cpu=cpu, memory=memory))
    try:
        Reader(folder).read(path)
    except JobFileError as error:
        (mistake,) = error.mistakes
        assert f"memory: '{memory}'" in mistake
        return False
    return True


@pytest.mark.parametrize("cpu", CLOUD_RUN_MIB)
def test_memory_of_a_job_of_cloud_run(cpu: str, tmp_path: Path) -> None:
    """From the least to the most that Google gives with so many processors, and one MiB beyond either."""
    least, most = CLOUD_RUN_MIB[cpu]
    sizes = (least - 1, least, most, most + 1)
    assert [is_taken(tmp_path, cpu, f"{size}Mi") for size in sizes] == [False, True, True, False]


def test_decimal_quantities_of_memory(tmp_path: Path) -> None:
    """`4G` is less than `4Gi`, so it goes with one processor, and `2G` is too little for four."""
    assert is_taken(tmp_path, "1", "4G")
    assert not is_taken(tmp_path, "4", "2G")
