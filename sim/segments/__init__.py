"""TEMPORARY dev loader while segments are being written (lead restores the real list)."""
import importlib
SEGMENTS = ()
for _n in ("merchants_1a", "sites_1b", "civil_time_2a", "routing_2b", "zones_3a", "virtual_3b", "intensity_5a", "arrivals_5b", "entities_6a"):
    try:
        SEGMENTS += (importlib.import_module("sim.segments." + _n).SEGMENT,)
    except (ImportError, AttributeError) as e:
        import sys; print("segment not ready:", _n, e, file=sys.stderr)
        break
