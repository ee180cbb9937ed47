"""Pictures and words of a farm in two languages, from documents alone: whoever serves them says whose they are."""
