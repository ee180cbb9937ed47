"""The processes of a demonstration, each with its own room: `python -m demo.processes.fleet JOB`."""
