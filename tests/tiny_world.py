"""The smallest world in which every segment has something to do:
four days around the spring clock change of Europe.
"""

TINY = {
    "merchant_universe_1A.merchants": 120,
    "scenario_horizon_5A.start": "2026-03-27",
    "scenario_horizon_5A.end": "2026-03-31",
}
TINY_SCENARIOS = ("baseline_v1", "stress_peak_online_v1")
