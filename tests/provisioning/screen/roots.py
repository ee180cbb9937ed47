"""Small roots that are accepted, and what makes one a hostile one."""

import json
from pathlib import Path
from typing import NamedTuple

GOOD = """\
terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100.0"
    }
  }
}

provider "aws" {
  region = var.region
  default_tags {
    tags = { Farm = "irrigation" }
  }
}

variable "region" {
  type    = string
  default = "us-east-1"
}

locals {
  names = toset(["field", "river"])
}

resource "aws_s3_bucket" "this" {
  for_each = local.names
  bucket   = "farm-${each.key}"
}

resource "aws_s3_object" "this" {
  for_each = local.names
  bucket   = aws_s3_bucket.this[each.key].id
  key      = "readme"
  source   = "${path.module}/files/${each.key}.txt"
  etag     = filemd5("${path.module}/files/${each.key}.txt")
}
"""
GOOD_JSON = {
    "terraform": {"required_providers": {"aws": {"source": "hashicorp/aws"}}},
    "provider": {"aws": {"region": "us-east-1"}},
    "locals": {"file": "${path.root}/files/field.txt"},
    "resource": {
        "aws_s3_bucket": {"this": {"bucket": "farm"}},
        "aws_s3_object": {"this": {"bucket": "farm", "key": "a", "content": "${file(local.file)}"}},
    },
    "output": {"bucket": {"value": "${aws_s3_bucket.this.id}"}},
}
FILES = {"files/field.txt": "field\n", "files/river.txt": "river\n"}


class Hostile(NamedTuple):
    """A root that must not pass: files beside the good ones, where it is named, and words of why and remedy."""

    name: str
    files: dict[str, str]
    file: str
    line: int
    why: str
    remedy: str


def main(name: str, text: str, line: int, why: str, remedy: str) -> Hostile:
    """One that stands in extra.tf."""
    return Hostile(name, {"extra.tf": text}, "extra.tf", line, why, remedy)


def in_json(name: str, document: object, line: int, why: str, remedy: str) -> Hostile:
    """One that stands in extra.tf.json."""
    return Hostile(name, {"extra.tf.json": json.dumps(document, indent=1)}, "extra.tf.json", line, why, remedy)


def resource(inner: str, kind: str = "aws_s3_object") -> str:
    """A resource whose second line is the hostile one."""
    return f'resource "{kind}" "bad" {{\n{inner}\n}}\n'


def write(root: Path, files: dict[str, str]) -> Path:
    """The files under a folder."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return root


def good(root: Path) -> Path:
    """The accepted root."""
    return write(root, {"main.tf": GOOD, **FILES})


_EXEC = 'provisioner "local-exec" { command = "id" }'
HOSTILE = (
    main("a provisioner", resource(f"  {_EXEC}"), 2, "provisioner", "leave it out"),
    main(
        "a provisioner of what is removed",
        f"removed {{\n  from = aws_s3_bucket.this\n  {_EXEC}\n}}\n",
        3,
        "prov",
        "leave",
    ),
    main("a connection", resource('  connection {\n    host = "10.0.0.1"\n  }'), 2, "connection", "leave it out"),
    main("a provisioner of terraform_data", resource(f"  {_EXEC}", "terraform_data"), 2, "provisioner", "leave it out"),
    main("external data", 'data "external" "x" {\n  program = ["id"]\n}\n', 1, "runs a program", "hashicorp/aws"),
    main("http data", 'data "http" "x" {\n  url = "http://169.254.169.254/"\n}\n', 1, "can reach", "hashicorp/aws"),
    main(
        "the state of others",
        'data "terraform_remote_state" "x" {\n  backend = "local"\n}\n',
        1,
        "state",
        "leave it out",
    ),
    main(
        "data within a check",
        'check "c" {\n  data "external" "x" {\n    program = ["id"]\n  }\n}\n',
        2,
        "runs",
        "leave",
    ),
    main("a null resource", 'resource "null_resource" "x" {}\n', 1, "provisioners", "hashicorp/aws"),
    main("a local file", 'resource "local_file" "x" {\n  filename = "/tmp/x"\n}\n', 1, "files", "leave it out"),
    main(
        "a type of another provider",
        'resource "evil_thing" "x" {}\n',
        1,
        "no provider that is allowed",
        "hashicorp/aws",
    ),
    main("resources behind a stack", 'resource "aws_cloudformation_stack" "x" {}\n', 1, "neither plan", "leave it out"),
    main("a token of the service", 'data "google_client_config" "x" {}\n', 1, "hands out a token", "leave it out"),
    main(
        "an ephemeral token",
        'ephemeral "aws_eks_cluster_auth" "x" {\n  name = "a"\n}\n',
        1,
        "hands out",
        "leave it out",
    ),
    main("a backend", 'terraform {\n  backend "s3" {\n    bucket = "b"\n  }\n}\n', 2, "the state", "serve --state"),
    main("a cloud", 'terraform {\n  cloud {\n    organization = "o"\n  }\n}\n', 2, "the service runs", "serve --state"),
    main("an experiment", "terraform {\n  experiments = [x]\n}\n", 2, "no setting", "required_version"),
    main(
        "a provider from elsewhere",
        'terraform {\n  required_providers {\n    aws = { source = "evil/aws" }\n  }\n}\n',
        3,
        "evil/aws",
        "hashicorp/aws",
    ),
    main(
        "another provider",
        'terraform {\n  required_providers {\n    null = { source = "hashicorp/null" }\n  }\n}\n',
        3,
        "hashicorp/null",
        "hashicorp/aws",
    ),
    main(
        "an endpoint",
        'provider "aws" {\n  alias = "x"\n  endpoints {\n    s3 = "http://e"\n  }\n}\n',
        3,
        "endpoints",
        "keep",
    ),
    main("a key in the provider", 'provider "aws" {\n  alias = "x"\n  access_key = "k"\n}\n', 3, "access_key", "keep"),
    main("another role", 'provider "aws" {\n  alias = "x"\n  assume_role {}\n}\n', 3, "assume_role", "keep"),
    main("a file of Google's keys", 'provider "google" {\n  credentials = "/k"\n}\n', 2, "credentials", "keep"),
    main(
        "keys of the service",
        'provider "aws" {\n  alias = "x"\n  shared_credentials_files = ["/srv/.aws/credentials"]\n}\n',
        3,
        "outside of the root",
        "path.root",
    ),
    main(
        "a profile alone", 'provider "aws" {\n  alias = "x"\n  profile = "admin"\n}\n', 3, "a profile", "leave it out"
    ),
    Hostile(
        "keys in the archive",
        {"extra.tf": 'provider "aws" {\n  alias = "x"\n  shared_credentials_files = ["keys"]\n}\n', "keys": "k"},
        "extra.tf",
        3,
        "credentials that are",
        "leave it out",
    ),
    main("another provider block", 'provider "kubernetes" {}\n', 1, "kubernetes", "aws or google"),
    main("a resource of a foreign provider", resource("  provider = evil.x"), 2, "evil.x", "aws or google"),
    main(
        "a module of the registry",
        'module "m" {\n  source = "terraform-aws-modules/vpc/aws"\n}\n',
        2,
        "source",
        "copy the",
    ),
    main("a module by git", 'module "m" {\n  source = "git::https://e/x"\n}\n', 2, "no folder", "copy the module"),
    main("a module outside", 'module "m" {\n  source = "../../etc"\n}\n', 2, "leads out", "./modules/NAME"),
    main("a module by its full path", 'module "m" {\n  source = "/etc"\n}\n', 2, "no folder", "copy the module"),
    main("a module whose source is escaped", 'module "m" {\n  source = "./\\u002e./x"\n}\n', 2, "no folder", "copy"),
    main("a module without a source", 'module "m" {\n}\n', 1, "no plain text", "copy the module"),
    Hostile(
        "a module that calls itself",
        {"extra.tf": 'module "m" {\n  source = "./m"\n}\n', "m/main.tf": 'module "m" {\n  source = "../m"\n}\n'},
        "m/main.tf",
        2,
        "within another",
        "call fewer",
    ),
    Hostile(
        "a provisioner in a module",
        {"extra.tf": 'module "m" {\n  source = "./m"\n}\n', "m/main.tf": resource(_EXEC)},
        "m/main.tf",
        2,
        "provisioner",
        "leave it out",
    ),
    main("a file by its full path", resource('  content = file("/etc/passwd")'), 2, "/etc/passwd", "path.root"),
    main("a file above", resource('  content = file("../../secret")'), 2, "outside", "path.root"),
    main("a file at home", resource('  content = file("~/.aws/credentials")'), 2, "~/.aws", "path.root"),
    main("a file above the module", resource('  content = file("${path.module}/../x")'), 2, "outside", "path.root"),
    main("a dot behind path.root", resource('  content = file("${path.root}./../x")'), 2, "no slash", "path.root"),
    main("a file of the working folder", resource('  content = file("${path.cwd}/x")'), 2, "path.cwd", "path.root"),
    main("an escaped path", resource('  content = file("\\u002fetc/passwd")'), 2, "escape", "path.root"),
    main(
        "a path of pieces", resource('  content = file(join("/", ["", "etc", "passwd"]))'), 2, "followed", "path.root"
    ),
    main("a path from a list", resource('  content = file(["/etc/passwd"]...)'), 2, "followed", "path.root"),
    main(
        "a path of what is made", resource("  content = file(aws_s3_bucket.this.id)"), 2, "before the plan", "path.root"
    ),
    main(
        "a path decoded", resource('  content = file(base64decode("L2V0Yy9wYXNzd2Q="))'), 2, "base64decode", "path.root"
    ),
    main(
        "a path in a key",
        resource('  for_each = toset(["../../../x"])\n  content = file("files/${each.key}")'),
        3,
        "'../../../x'",
        "path.root",
    ),
    main(
        "dots of numbers",
        'resource "aws_s3_object" "bad" {\n  for_each = toset([substr(3 / 2, 1, 1)])\n'
        '  content = file("files/${each.key}${each.key}/x")\n}\n',
        3,
        "division",
        "path.root",
    ),
    main(
        "a local that leads out",
        f'locals {{\n  p = "/etc/passwd"\n}}\n{resource("  content = file(local.p)")}',
        5,
        "etc",
        "root",
    ),
    main(
        "locals in a circle",
        f"locals {{\n  p = local.q\n  q = local.p\n}}\n{resource('content = file(local.p)')}",
        6,
        "circle",
        ".",
    ),
    main(
        "a variable without a value",
        f'variable "p" {{}}\n{resource("  content = file(var.p)")}',
        3,
        "no value",
        "path.root",
    ),
    Hostile(
        "a variable by a file",
        {
            "extra.tf": f'variable "p" {{}}\n{resource("  content = file(var.p)")}',
            "x.auto.tfvars": 'p = "/etc/passwd"\n',
        },
        "extra.tf",
        3,
        "/etc/passwd",
        "path.root",
    ),
    Hostile(
        "an argument of a module",
        {
            "extra.tf": 'module "m" {\n  source = "./m"\n  p = "/etc/passwd"\n}\n',
            "m/main.tf": f'variable "p" {{\n  default = "files/field.txt"\n}}\n{resource("  content = file(var.p)")}',
        },
        "m/main.tf",
        5,
        "/etc/passwd",
        "path.root",
    ),
    main("a source of an object", resource('  source = "/etc/passwd"'), 2, "source of aws_s3_object", "path.root"),
    main(
        "code of a function",
        resource('  filename = "/etc/x.zip"', "aws_lambda_function"),
        2,
        "filename of",
        "path.root",
    ),
    main(
        "a file of a later type",
        resource('  filename = "/etc/x"', "aws_of_tomorrow"),
        2,
        "filename: /etc/x",
        "path.root",
    ),
    main("a condition", resource('  source = true ? "files/field.txt" : "/etc/x"'), 2, "/etc/x", "path.root"),
    main("a heredoc", resource('  content = <<EOT\nx ${file("/etc/passwd")}\nEOT'), 3, "/etc/passwd", "path.root"),
    main("a list of files above", resource('  content = fileset("files", "../../*")'), 2, "pattern", "without .."),
    main(
        "a template that the apply knows",
        resource("  content = templatestring(local.x, {})"),
        2,
        "apply",
        "templatefile",
    ),
    Hostile(
        "a template that reads",
        {"extra.tf": resource('  content = templatefile("t.tpl", {})'), "t.tpl": 'a\n${file("/etc/passwd")}\n'},
        "t.tpl",
        2,
        "in a template",
        "hand its text in",
    ),
    Hostile(
        "a template that reads what it is given",
        {"extra.tf": resource('  content = templatefile("t.tpl", { p = "/etc/passwd" })'), "t.tpl": "${file(p)}\n"},
        "t.tpl",
        1,
        "in a template",
        "hand its text in",
    ),
    main(
        "a loop that calls itself path",
        'locals {\n  a = [for path in [{ root = "/etc" }] : file("${path.root}/passwd")]\n}\n',
        2,
        "a loop binds path",
        "another name",
    ),
    main(
        "a loop that calls itself count",
        'locals {\n  a = [for count in [{ index = "../../x" }] : file("files/${count.index}")]\n}\n',
        2,
        "'../../x'",
        "path.root",
    ),
    main(
        "a loop of a text",
        'locals {\n  a = "%{ for path in [{ root = "/etc" }] }${file("${path.root}/passwd")}%{ endfor }"\n}\n',
        2,
        "a loop binds path",
        "another name",
    ),
    main(
        "a loop of a text within a loop",
        'locals {\n  a = [for x in ["a"] : "%{ for x in ["../../.."] }${file("files/${x}/y")}%{ endfor }"]\n}\n',
        2,
        "what a loop binds",
        "path.root",
    ),
    main(
        "a loop of a heredoc within a loop",
        'locals {\n  a = [for x in ["a"] : <<E\n%{ for x in ["../.."] }${file("files/${x}/y")}%{ endfor }\nE\n  ]\n}\n',
        3,
        "what a loop binds",
        "path.root",
    ),
    main(
        "an iterator that calls itself var",
        resource('  dynamic "var" {\n    for_each = ["/etc/x"]\n    content {\n      a = file(var.value)\n    }\n  }'),
        2,
        "a loop binds var",
        "another name",
    ),
    in_json(
        "an iterator of JSON that calls itself path",
        {"resource": {"aws_x": {"y": {"dynamic": {"z": {"for_each": [], "iterator": "path", "content": {}}}}}}},
        5,
        "a loop binds path",
        "another name",
    ),
    in_json(
        "a key of JSON that calls itself var",
        {"resource": {"aws_x": {"y": {"dynamic": {"var": {"for_each": ["/etc/x"], "content": {}}}}}}},
        5,
        "a loop binds var",
        "another name",
    ),
    main(
        "a default within a type",
        'variable "o" {\n  type    = object({ p = optional(string, "/etc/x") })\n  default = {}\n}\n'
        + resource("  content = file(var.o.p)"),
        6,
        "defaults of its own",
        "path.root",
    ),
    main("a file in a block", resource('  x {\n    filename = "/etc/x"\n  }'), 3, "filename: /etc/x", "path.root"),
    Hostile(
        "a module that a test fetches",
        {"tests/a.tftest.hcl": 'run "a" {\n  module {\n    source = "git::https://e/x"\n  }\n}\n'},
        "tests/a.tftest.hcl",
        3,
        "no folder",
        "copy the module",
    ),
    Hostile(
        "a module that a test's module fetches",
        {
            "tests/a.tftest.hcl": 'run "a" {\n  module {\n    source = "./m"\n  }\n}\n',
            "m/main.tf": 'module "n" {\n  source = "https://e/x.zip"\n}\n',
        },
        "m/main.tf",
        2,
        "no folder",
        "copy the module",
    ),
    Hostile("tests in JSON", {"tests/a.tftest.json": "{}"}, "tests/a.tftest.json", 1, "in JSON", "leave it out"),
    main("a function of a provider", resource("  content = provider::evil::read(1)"), 2, "provider::evil", "Terraform"),
    main(
        "an escape that swallows",
        'locals {\n  a = "$${"\n  b = file("/etc/passwd")\n  c = "}"\n}\n',
        2,
        "a quotation mark",
        "fmt",
    ),
    main("an escape before a call", resource('  content = "$${ ${file(var.region)} }"'), 2, "expression behind", "fmt"),
    main("three signs", resource('  content = "$$${file(var.region)}"'), 2, "three or more", "fmt"),
    main(
        "a heredoc that ends early",
        f"locals {{\n  a = <<EOT\nx\nEOT \n}}\n{resource(_EXEC)}locals {{\n  b = <<EOT\nEOT\n}}\n",
        2,
        "end is not sure",
        "fmt",
    ),
    main(
        "a text that an escape opens", 'locals {\n  a = "%{ if \\"a\\" == 1 }b%{ endif }"\n}\n', 2, "not known", "fmt"
    ),
    main("a carriage return alone", "# x\rprovider {}\n", 1, "control character", "fmt"),
    main("a byte order mark", "\ufefflocals {}\n", 1, "byte order mark", "fmt"),
    main("a name that is escaped", 'resource "aws_\\u0078" "x" {}\n', 1, "no plain name", "fmt"),
    main("broken code", 'resource "aws_x" "y" {\n', 2, "not HCL", "fmt"),
    main("an unknown block", "backdoor {\n}\n", 1, "not known", "known: "),
    main("a setting outside of blocks", "a = 1\n", 1, "outside of any block", "its block"),
    Hostile(
        "a folder of Terraform's", {".terraform/modules/modules.json": "{}"}, ".terraform", 1, "own folder", "leave it"
    ),
    Hostile("a plug-in", {"terraform.d/plugins/x": "x"}, "terraform.d", 1, "plug-ins", "leave it out"),
    Hostile(
        "a provider's program", {"terraform-provider-aws_v9": "x"}, "terraform-provider-aws_v9", 1, "program", "leave"
    ),
    Hostile("credentials", {"credentials": "[default]"}, "credentials", 1, "it holds keys", "leave it out"),
    Hostile("a state", {"terraform.tfstate": "{}"}, "terraform.tfstate", 1, "a state", "leave it out"),
    Hostile("an override", {"x_override.tf": ""}, "x_override.tf", 1, "override", "into the file"),
    Hostile(
        "the service's own file", {"backend.tf.json": "{}"}, "backend.tf.json", 1, "service's own", "serve --state"
    ),
    Hostile("a file too large", {"big.tf": "#" * 1_000_001}, "big.tf", 1, "1,000,000 bytes", "split it"),
    in_json(
        "a provisioner in JSON", {"resource": {"aws_x": {"y": {"provisioner": {"local-exec": {}}}}}}, 5, "prov", "leave"
    ),
    in_json(
        "a provisioner in a list", {"resource": [{"aws_x": {"y": [{"provisioner": [{}]}]}}]}, 7, "provisioner", "leave"
    ),
    in_json("external data in JSON", {"data": {"external": {"x": {"program": ["id"]}}}}, 4, "runs a program", "leave"),
    in_json("a backend in JSON", {"terraform": {"backend": {"s3": {}}}}, 3, "the state", "serve --state"),
    in_json("an endpoint in JSON", {"provider": {"aws": {"endpoints": [{}]}}}, 4, "endpoints", "keep"),
    in_json("a file in JSON", {"locals": {"a": 'x ${file("/etc/passwd")}'}}, 3, "/etc/passwd", "path.root"),
    in_json("a file in a key", {"locals": {"a": {'${file("/etc/passwd")}': 1}}}, 3, "/etc/passwd", "path.root"),
    in_json("a source in JSON", {"module": {"m": {"source": "git::https://e"}}}, 4, "no folder", "copy"),
    in_json(
        "an object's source in JSON",
        {"resource": {"aws_s3_object": {"x": {"source": "/etc/x"}}}},
        5,
        "source of",
        "root",
    ),
    in_json("a list at the top", [{"resource": {}}], 1, "no object", "fmt"),
    in_json(
        "a default that is no template",
        {
            "locals": {"deep": "files/deep"},
            "variable": {"p": {"default": "${local.deep}/../../x"}},
            "output": {"x": {"value": "${file(var.p)}"}},
        },
        12,
        "lies outside",
        "path.root",
    ),
    Hostile("a name twice", {"extra.tf.json": '{"locals": {},\n"locals": {}}'}, "extra.tf.json", 2, "twice", "fmt"),
    Hostile("broken JSON", {"extra.tf.json": '{"locals":\n}'}, "extra.tf.json", 2, "not JSON", "fmt"),
)
