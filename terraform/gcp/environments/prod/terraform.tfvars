# Everything that is not secret and not the default. Secrets are named here, and kept in Secret Manager.
project_id  = "my-farms-prod"
environment = "prod"
region      = "us-central1"
zone        = "us-central1-a"

scheduler_timezone = "America/Sao_Paulo"
min_instances      = 1
max_instances      = 20
cpu                = "2000m"
memory             = "1024Mi"
timeout_seconds    = 900
enable_monitoring  = true
