"""Commands, their configuration, and the only place that puts the packages together."""

from contextrl.miniature.plugin import register

# Configurations, recipes and options name the miniature's model, data, judges and evaluations: whichever command looks
# a name up first, it is there.
register()
