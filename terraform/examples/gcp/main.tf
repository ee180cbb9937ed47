# The seed's own call.
module "hubspot_contacts_job" {
  source = "../../modules/gcp/dativo-job"

  job_name        = "hubspot-contacts"
  tenant_id       = "acme"
  image_uri       = "gcr.io/dativo/dativo-ingest:latest"
  cpu             = "1"
  memory          = "2Gi"
  timeout_seconds = 3600
  region          = "us-central1"
  project_id      = "my-project"

  # Labels from job/asset configuration (GCP format)
  labels = {
    finops_cost_center        = "eng-001"
    finops_business_tags      = "sales-crm"
    compliance_classification = "pii"
    governance_owner          = "data-team-acme-com"
    asset_name                = "hubspot-contacts"
  }

  # Optional: Scheduled execution
  schedule_cron         = "0 2 * * *" # Daily at 2 AM UTC
  timezone              = "UTC"
  service_account_email = "dativo-runner@my-project.iam.gserviceaccount.com"
}
