"""IoT Core and the AWS services behind it, on one machine and on loopback only."""
