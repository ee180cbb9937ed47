"""What happens on a farm, as CloudWatch's embedded metrics: one line of JSON each, for whoever reads our log."""
