"""Update over the air: jobs and file streams as AWS IoT serves them, and a fleet's roll-out in stages."""
