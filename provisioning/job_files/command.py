"""`generate` as a person types it: job files in, root modules and the tags that they carry out."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from provisioning.client import Client
from provisioning.errors import ProvisioningError
from provisioning.job_files.errors import JobFileError
from provisioning.job_files.explain import explain
from provisioning.job_files.generate import ENDINGS, HCL, Generated, generate, write
from provisioning.job_files.limits import CLOUDS, RESOURCE_TYPES
from provisioning.job_files.policy import breaches, read_policy
from provisioning.job_files.queries import BILLING_TABLE, queries
from provisioning.job_files.read import Flags, Reader

URL = "http://localhost:8000"
Source = TypeVar("Source")
Result = TypeVar("Result")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line and code 1, as for every other mistake."""
        self.exit(1, f"{message}; --help tells what there is\n")


def parser(prog: str) -> argparse.ArgumentParser:
    """The options of the command."""
    options = _Parser(prog=prog, description=__doc__, allow_abbrev=False)
    options.add_argument("jobs", nargs="+", type=Path, metavar="JOB.yaml", help="job files")
    options.add_argument("--cloud", choices=CLOUDS, help="if the job file names no runtime.type (default: aws)")
    options.add_argument(
        "--resource-type",
        choices=tuple(RESOURCE_TYPES),
        help="if the job file names no runtime.type (default: ecs_fargate)",
    )
    options.add_argument(
        "--output-dir", type=Path, default=Path("terraform"), metavar="DIR", help="folder (default: %(default)s)"
    )
    options.add_argument("--format", choices=tuple(ENDINGS), default=HCL, help="syntax (default: %(default)s)")
    options.add_argument("--force", action="store_true", help="replace what was made of the same job before")
    options.add_argument(
        "--explain", action="store_true", help="of each tag: origin, what it overrides, what was changed"
    )
    options.add_argument("--policy", type=Path, metavar="FILE", help="tags that have to be there, and their forms")
    options.add_argument(
        "--queries", action="store_true", help="print questions about costs and resources; write nothing"
    )
    options.add_argument(
        "--billing-table", default=BILLING_TABLE, metavar="TABLE", help="of Google's billing export, for --queries"
    )
    options.add_argument("--apply", action="store_true", help="post what was written to the provisioning service")
    options.add_argument("--variables", type=Path, metavar="FILE", help="a JSON file of variables, for --apply")
    options.add_argument(
        "--url", default=os.environ.get("TERRAFORM_RUNNER_URL", URL), help="of that service (default: %(default)s)"
    )
    options.add_argument(
        "--root",
        type=Path,
        default=Path(),
        metavar="FOLDER",
        help="what paths in files are relative to (default: here)",
    )
    return options


def main(words: Sequence[str] | None = None, prog: str = "python -m provisioning generate") -> int:
    """Generate; a mistake is a line on stderr, code 1, and nothing written."""
    try:
        arguments = parser(prog).parse_args(words)
    except SystemExit as end:
        return int(end.code or 0)
    try:
        return _run(arguments)
    except (ProvisioningError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1


def _run(arguments: argparse.Namespace) -> int:
    variables = _variables(arguments.variables) if arguments.apply else None
    results = _all(arguments)
    if arguments.queries:
        return _ask(results, arguments.billing_table)
    files = write(results, arguments.output_dir, arguments.format, force=arguments.force)
    for one in results:
        for warning in one.job.warnings:
            print(f"warning: {warning}", file=sys.stderr)
        print(f"{one.job.path}: tags")
        for line in explain(one.tags) if arguments.explain else _plain(one):
            print(f"  {line}")
    for file in files:
        print(f"wrote {file}")
    if arguments.apply:
        _apply(arguments, results, files, variables)
    return 0


def _variables(path: Path | None) -> Any:
    """What `--variables` holds, before anything is written. Raises JobFileError."""
    if path is None:
        return None
    try:
        variables = json.loads(path.read_bytes())
    except OSError as error:
        raise JobFileError([f"{path}: cannot be read: {error.strerror}; give a JSON file of variables"]) from error
    except ValueError as error:
        raise JobFileError([f"{path}: is no JSON: {error}; want an object of variables"]) from error
    if not isinstance(variables, dict):
        raise JobFileError([f'{path}: want an object of variables, as {{"subnet_ids": []}}'])
    return variables


def _ask(results: Sequence[Generated], billing_table: str) -> int:
    for one in results:
        for title, text in queries(one.job, one.tags, billing_table) if one.job.target else ():
            print(f"# {title}\n{text}\n")
    return 0


def _apply(arguments: argparse.Namespace, results: Sequence[Generated], files: Sequence[Path], variables: Any) -> None:
    """Post each root as a job of its project, which is named after tenant, asset and workspace."""
    client = Client(arguments.url, os.environ.get("PROVISIONING_KEY"))
    for one, file in zip((one for one in results if one.text is not None), files, strict=True):
        project = f"{one.job.file}-{one.job.workspace or one.job.environment}"
        print(f"{project}: {client.deploy(file.parent, project, variables=variables)}")


def _all(arguments: argparse.Namespace) -> list[Generated]:
    """Every job's root module. Raises JobFileError with the mistakes of all files."""
    if not arguments.root.is_dir():
        raise JobFileError([f"--root {arguments.root}: no such folder; give the one that paths in files begin in"])
    reader, flags = Reader(arguments.root), Flags(arguments.cloud, arguments.resource_type)
    policy = read_policy(arguments.policy) if arguments.policy else {}
    paths = dict.fromkeys(Path(os.path.normpath(path)) for path in arguments.jobs)
    mistakes: list[str] = []
    jobs = _each(lambda path: reader.read(path, flags), paths, mistakes)
    mistakes += [why for job in jobs for why in breaches(job, policy)]
    results = _each(lambda job: generate(job, arguments.format), jobs, mistakes)
    if mistakes:
        raise JobFileError(list(dict.fromkeys(mistakes)))
    return results


def _each(make: Callable[[Source], Result], sources: Iterable[Source], mistakes: list[str]) -> list[Result]:
    """What is made of each, all in one stage: the processor's caches hold one at a time. Mistakes are noted."""
    results = []
    for one in sources:
        try:
            results.append(make(one))
        except JobFileError as error:
            mistakes += error.mistakes
    return results


def _plain(one: Generated) -> list[str]:
    return sorted(f"{tag.key} = {tag.value}" for tag in one.tags)
