"""The processes of a demonstration, each with its own room: `python -m local_cloud.demo.processes.fleet JOB`."""
