"""How long does one reconstruction take?  Ratios from one run, on one machine, at equal or lower objective.

python -m course_utils.benchmark        writes results/benchmark.json   (make benchmark)
"""
