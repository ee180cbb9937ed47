"""What a scenario broke, and whether anything of the farm noticed it: known to demonstrations only."""
