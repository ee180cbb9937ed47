# Everything that is not secret and not the default. Secrets are named here, and kept in Secret Manager.
project_id  = "my-farms-dev"
environment = "dev"
region      = "us-central1"
zone        = "us-central1-a"

scheduler_timezone = "America/Sao_Paulo"
min_instances      = 0
max_instances      = 10
cpu                = "1000m"
memory             = "512Mi"
timeout_seconds    = 600
enable_monitoring  = false
