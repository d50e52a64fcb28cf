"""Tasks for lmms-eval: the benchmarks' prompts and scorers, run by its models; `README.md` here says how."""
