"""What runs on AWS Lambda, one folder a function."""
