"""A lake of one raw reading on the local cloud, for jobs that aggregate it."""

import gzip
import uuid

from tests.provisioning.cloud import client

RAW = (
    b'{"v": 1, "gateway_id": "g1", "sensor_id": "g1.soil", "zone_id": "z", "boot_id": "b", "samples": [{"seq": 1, '
    b'"measured_at": 1717200000, "clock": "synced", "vwc": 0.2}], "client_id": "g1", "received_at": 1717200001}\n'
)


def lake_variables(endpoint: str) -> dict[str, str]:
    """A new bucket with that reading, and a new database: the variables that lead the aggregate to them."""
    name = f"lake-{uuid.uuid4().hex[:8]}"
    s3 = client("s3", endpoint)
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="raw/2024/06/01/00/one.gz", Body=gzip.compress(RAW))
    client("glue", endpoint).create_database(DatabaseInput={"Name": name})
    own = {"SOURCE_BUCKET": name, "SOURCE_PREFIX": "raw/", "DEST_BUCKET": name, "DEST_PREFIX": "lake/"}
    return {**own, "GLUE_DATABASE": name}
