"""Months of made-up traffic to quarantined numbers, drawn from published figures.

`workload.py` puts it together; the parameters, their units and their sources are in
`parameters.py`.
"""
