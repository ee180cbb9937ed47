"""From a job file (YAML) to a root module of Terraform whose resources carry the job's tags: docs/job-files.md."""
