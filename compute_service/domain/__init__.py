"""What is known of a zone and what follows from it: no files, no network, no log, only values in and values out."""
