"""Folders of job files for tests: a job, its asset and connector, each with what a test changes."""

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "terraform" / "examples"
DIGEST = "sha256:" + "5f" * 32
ECR = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/irrigation/batch@{DIGEST}"
GOOGLE_IMAGE = f"us-central1-docker.pkg.dev/my-project/irrigation/batch@{DIGEST}"

RUNTIMES: dict[str, dict[str, Any]] = {
    "aws_ecs_fargate": {"image_uri": ECR},
    "aws_lambda": {"image_uri": ECR},
    "gcp_cloud_run": {"image_uri": GOOGLE_IMAGE},
    "gcp_cloud_function": {"source": "gs://my-bucket/source.zip", "entry_point": "main"},
}
ASSET: dict[str, Any] = {
    "name": "soil_samples",
    "version": "1.0",
    "finops": {"cost_center": "FARM-001", "business_tags": ["water", "soil"], "project": "lake"},
    "compliance": {"classification": "INTERNAL", "retention_days": 365, "security": {"encryption_required": True}},
    "team": {"owner": "farm@example.com"},
    "domain": "irrigation",
    "columns": [{"name": "vwc"}],  # not ours
}


def job(target: str = "aws_ecs_fargate", *, infrastructure: Any = None, **more: Any) -> dict[str, Any]:
    """A job of a type; fields of `runtime` and the rest by name."""
    names = ("tenant_id", "environment", "finops", "governance_overrides", "classification_overrides")
    rest = {name: more.pop(name) for name in names if name in more}
    metadata = more.pop("metadata", None)
    shape = {name: more.pop(name) for name in ("naming", "key_style") if name in more}
    block = {"runtime": {"type": target, **RUNTIMES[target], **more}, **({"metadata": metadata} if metadata else {})}
    return {
        "tenant_id": "sitio",
        "environment": "dev",
        "source_connector_path": "connectors/lake.yaml",
        "target_connector_path": "connectors/lake.yaml",
        "asset_path": "assets/soil_samples.yaml",
        "infrastructure": infrastructure or {**block, **shape},
        **rest,
    }


def lay(folder: Path, document: Any, name: str = "job", asset: Any = None, connector: Any = None) -> Path:
    """Write a job with its asset and connector below a folder; gives the job's path."""
    texts = {
        f"jobs/{name}.yaml": document,
        "assets/soil_samples.yaml": ASSET if asset is None else asset,
        "connectors/lake.yaml": {"name": "lake"} if connector is None else connector,
    }
    for place, text in texts.items():
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if isinstance(text, str) else yaml.safe_dump(text, sort_keys=False))
    return folder / f"jobs/{name}.yaml"
