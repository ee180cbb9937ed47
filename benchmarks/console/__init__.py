"""The console on a big farm: what a browser, the store and the service pay for it, each as a ratio of one run."""
