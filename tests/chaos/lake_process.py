"""One invocation of the aggregate function, on the raw objects of a chaos run; prints its counts."""

import json
import os
import sys

from lambda_functions.aggregate import index
from local_cloud.aws import environment
from tests.chaos.place import BUCKET, LAKE_PREFIX, RAW_PREFIX

if __name__ == "__main__":
    os.environ.update(environment(sys.argv[1]))
    os.environ |= {"SOURCE_BUCKET": BUCKET, "SOURCE_PREFIX": RAW_PREFIX, "DEST_BUCKET": BUCKET}
    os.environ |= {"DEST_PREFIX": LAKE_PREFIX, "GLUE_DATABASE": "pythoflow_chaos", "INTERVAL_MINUTES": "15"}
    sys.stdout.write(json.dumps(index.handler({}, None)) + "\n")
