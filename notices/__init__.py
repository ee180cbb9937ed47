"""What people are told: events in two languages, by mail, messenger or SNS, once each, and not in the night."""
