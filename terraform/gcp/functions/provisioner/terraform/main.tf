# The function that hears of new farms: Firestore's event of a registration that is made, and of no other. What the
# function then writes into that document is no creation, so that it cannot start itself.

terraform {
  required_version = ">= 1.11"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "8.7.0"
    }
  }
}

provider "google" {
  project = var.project_id
  region  = var.region
}

locals {
  is_stored = startswith(var.source_archive, "gs://")
  stored    = regex("^(?:gs://)?(?P<bucket>[^/]*)/?(?P<object>.*)$", var.source_archive)
  key       = var.provisioning_key_secret == null ? [] : [var.provisioning_key_secret]
  labels    = merge(var.labels, { environment = var.environment })
}

# Named by its content, so that a change of it is a change of the function.
resource "google_storage_bucket_object" "source" {
  count = local.is_stored ? 0 : 1

  bucket = var.source_bucket
  name   = "${var.function_name}-${filemd5(var.source_archive)}.zip"
  source = var.source_archive
}

resource "google_cloudfunctions2_function" "this" {
  project     = var.project_id
  location    = var.region
  name        = var.function_name
  description = "Asks provisioning for a farm's job when its registration is made."
  labels      = local.labels

  build_config {
    runtime               = var.runtime
    entry_point           = var.entry_point
    service_account       = var.build_service_account
    environment_variables = { GOOGLE_FUNCTION_SOURCE = var.source_file }

    source {
      storage_source {
        bucket = local.is_stored ? local.stored.bucket : google_storage_bucket_object.source[0].bucket
        object = local.is_stored ? local.stored.object : google_storage_bucket_object.source[0].name
      }
    }
  }

  service_config {
    service_account_email = var.service_account_email
    ingress_settings      = "ALLOW_INTERNAL_ONLY" # Eventarc comes from within
    available_cpu         = var.cpu
    available_memory      = var.memory
    timeout_seconds       = var.timeout_seconds
    min_instance_count    = var.min_instances
    max_instance_count    = var.max_instances

    environment_variables = merge(
      { ENVIRONMENT = var.environment, GCP_PROJECT_ID = var.project_id },
      var.provisioning_url == null ? {} : { TERRAFORM_RUNNER_URL = var.provisioning_url }
    )

    dynamic "secret_environment_variables" {
      for_each = local.key

      content {
        key        = "PROVISIONING_KEY"
        project_id = var.project_id
        secret     = secret_environment_variables.value
        version    = "latest"
      }
    }
  }

  event_trigger {
    trigger_region        = var.firestore_location
    event_type            = "google.cloud.firestore.document.v1.created"
    retry_policy          = "RETRY_POLICY_RETRY" # a second event of the same registration makes nothing twice
    service_account_email = var.trigger_account_email

    event_filters {
      attribute = "database"
      value     = var.firestore_database
    }

    event_filters {
      attribute = "document"
      operator  = "match-path-pattern"
      value     = "users/{userId}/tokens/{cnpj}"
    }
  }
}

# The function's service of the same name lets Eventarc's account in, and nobody else.
resource "google_cloud_run_v2_service_iam_member" "trigger" {
  project  = var.project_id
  location = var.region
  name     = google_cloudfunctions2_function.this.name
  role     = "roles/run.invoker"
  member   = "serviceAccount:${var.trigger_account_email}"
}
