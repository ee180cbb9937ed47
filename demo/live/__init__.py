"""`make live`: the demonstration's farm on a clock that people can live with, up until Ctrl-C; they steer it."""
