"""Which types and functions the screen knows, as tables; each row with its reason."""

# Names that mean something everywhere: a loop that binds one would have a path mean another file than it says.
FIXED_NAMES = frozenset({"path", "var", "local", "each", "count", "self", "module", "data", "terraform", "ephemeral"})

PROVIDERS = {"hashicorp/aws": "aws", "hashicorp/google": "google"}  # by source, the local name that it must have
OWN_TAGS = frozenset({"provisioning_farm", "provisioning_project"})  # by them the service finds what is in no state
BUILT_IN = {"terraform_data"}  # Terraform's own: it holds a value, and what it could run is a provisioner

# What a provider block may say. Everything else names files, endpoints, keys or roles.
PROVIDER_ARGUMENTS = {
    "aws": {"region", "default_tags", "ignore_tags", "alias", "shared_credentials_files", "profile"},
    "google": {"region", "alias", "project", "zone", "default_labels"},
}

_BEHIND = "makes resources that neither plan, costs nor this check can see"
_RUNS = "runs something as soon as it is applied"
_HANDS_OUT = "hands out a token of the service's own credentials"
# Types that are refused. The same name as data, ephemeral and resource is refused alike.
REFUSED_TYPES = {
    "aws_cloudcontrolapi_resource": _BEHIND,
    "aws_cloudformation_stack": _BEHIND,
    "aws_cloudformation_stack_instances": _BEHIND,
    "aws_cloudformation_stack_set": _BEHIND,
    "aws_cloudformation_stack_set_instance": _BEHIND,
    "aws_cloudformation_type": "installs code of others as a resource type",
    "aws_cognito_identity_openid_token_for_developer_identity": _HANDS_OUT,
    "aws_ecr_authorization_token": _HANDS_OUT,
    "aws_ecrpublic_authorization_token": _HANDS_OUT,
    "aws_eks_cluster_auth": _HANDS_OUT,
    "aws_iam_access_key": "makes a key that outlives the job, and keeps it in the state",
    "aws_lambda_invocation": _RUNS,
    "aws_redshiftdata_statement": _RUNS,
    "aws_serverlessapplicationrepository_cloudformation_stack": _BEHIND,
    "aws_ssm_association": _RUNS,
    "google_bigquery_job": _RUNS,
    "google_client_config": _HANDS_OUT,
    "google_dataproc_job": _RUNS,
    "google_deployment_manager_deployment": _BEHIND,
    "google_service_account_access_token": _HANDS_OUT,
    "google_service_account_id_token": _HANDS_OUT,
    "google_service_account_jwt": _HANDS_OUT,
    "google_service_account_key": "makes a key that outlives the job, and keeps it in the state",
    "google_storage_object_signed_url": "reads a file of credentials, and signs with it",
}

# Arguments that name a file on this machine, by type.
FILE_ARGUMENTS = {
    "aws_connect_contact_flow": {"filename": "its content is uploaded"},
    "aws_connect_contact_flow_module": {"filename": "its content is uploaded"},
    "aws_emr_cluster": {"configurations": "a file or an address is read where it is a text"},
    "aws_gamelift_script": {"zip_file": "its content is uploaded"},
    "aws_lambda_function": {"filename": "its content is uploaded as code"},
    "aws_lambda_layer_version": {"filename": "its content is uploaded as code"},
    "aws_s3_bucket_object": {"source": "its content is uploaded"},
    "aws_s3_object": {"source": "its content is uploaded"},
    "aws_synthetics_canary": {"zip_file": "its content is uploaded as code"},
    "google_apigee_api": {"config_bundle": "its content is uploaded"},
    "google_apigee_sharedflow": {"config_bundle": "its content is uploaded"},
    "google_storage_bucket_object": {"source": "its content is uploaded"},
}
# What no provider calls otherwise: held to be a file in every type, also in those that come after this table.
FILE_NAMES = {"filename", "zip_file", "config_bundle", "source_file", "source_dir"}

# Functions whose first argument is a path that is opened, listed or looked for.
FILE_FUNCTIONS = frozenset(
    {"file", "fileexists", "fileset", "templatefile", "filebase64", "filebase64sha256", "filebase64sha512", "filemd5"}
    | {"filesha1", "filesha256", "filesha512"}
)
REFUSED_FUNCTIONS = {
    "templatestring": ("a template that only the apply knows may read any file", "use templatefile with a file here"),
    "pathexpand": ("the service's own folders are not the root's", "begin the path with path.root"),
}
# Functions that put no dot, slash or tilde into a text that had none before.
PLAIN_FUNCTIONS = frozenset(
    {"abs", "coalesce", "coalescelist", "compact", "concat", "distinct", "element", "flatten", "join"}
    | {"keys", "lookup", "lower", "max", "md5", "merge", "min", "nonsensitive", "one", "range", "replace"}
    | {"reverse", "sensitive", "setintersection", "setproduct", "setsubtract", "setunion", "sha1"}
    | {"sha256", "sha512", "slice", "sort", "split", "strrev", "substr", "title", "tolist", "tomap"}
    | {"toset", "tostring", "trim", "trimprefix", "trimspace", "trimsuffix", "try", "upper", "values"}
    | {"zipmap"}
)
# Functions whose result is a number or a yes, whatever goes in.
COUNTING_FUNCTIONS = frozenset(
    {"length", "contains", "can", "alltrue", "anytrue", "startswith", "endswith", "issensitive"}
)
WHOLE_FUNCTIONS = frozenset({"ceil", "floor"})  # what they give has no point, even of a division

# Blocks at the top of a file, and those that are refused with the reason and the remedy.
TOP_BLOCKS = frozenset(
    {"terraform", "provider", "variable", "locals", "output", "resource", "data", "ephemeral", "module", "check"}
    | {"import", "moved", "removed"}
)
TERRAFORM_SETTINGS = frozenset({"required_version", "required_providers"})
OTHER_SETTINGS = {
    "backend": ("where the state is kept is the service's", "leave it out; serve --state says where states are kept"),
    "cloud": ("the service runs the jobs itself", "leave it out; serve --state says where states are kept"),
}
OTHER_SOURCES = {
    "external": "runs a program on the service's machine",
    "http": "asks whatever the service's machine can reach",
    "terraform_remote_state": "reads the state of others, also from files",
    "local_file": "reads and writes files of the service's machine",
    "local_sensitive_file": "reads and writes files of the service's machine",
    "null_resource": "is there for provisioners alone",
}
