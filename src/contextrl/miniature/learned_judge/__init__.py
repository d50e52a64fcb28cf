"""A judge that has learned to judge, for the studies of judges and for tests against real servers."""
