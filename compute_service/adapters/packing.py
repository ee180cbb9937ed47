"""Small documents, packed: JSON under zlib, with a dictionary of what such documents have in common.

What was packed once must be read for ever, so a dictionary never changes: a better one gets a line of its own, and the
first byte says which one it was.
"""

import json
import zlib
from typing import Any

# Most of a decision's text is alike; what is likeliest comes last.
_FIRST = (
    b'"stuck: by the balance alone" "there is no reading yet" "no probe can be believed (" "it rains: " mm in '
    b'the last hour" is still under way" "forecast " h old, not trusted" mm of rain are forecast in 24 h, and '
    b'the crop can wait for them" "the last run ended  ago, water needs  to soak in" of the day\'s budget of  l'
    b' is left" "it is , and watering is allowed from  to " degrees are measured, and water would freeze" "the'
    b' wind of "the pump has  l/min left while other zones run, and the zone takes " "late" "initial" "develop'
    b'ment" "drifting" "outlier" "silent" "percent" "dead" "assumed": "yesterday": "forecast": "estimated": "f'
    b'ull_first_at": 0, "full_last": 0.0, "full_at": 0}}, "hours": [], "water": [], "samples": [["irrigation-g'
    b'ateway-1.soil-a", "model": null, "zone": ""state": [null, [], 0.0, 0.0, null, null, null, null], "foreca'
    b'st": null}{"intent": {"duration_s": 1800, "max_volume_l": , "depth_mm": }, {"intent": null, "checks": [{'
    b'"name": "fresh_reading", "value": 10, "threshold": 10800, "passed": true, "why": ""}, {"name": "believab'
    b'le_probes", "value": 1, "threshold": 1, "passed": true, "why": ""}, {"name": "nothing_under_way", "value'
    b'": null, "threshold": null, "passed": true, "why": ""}, {"name": "cooled_down", "value": null, "threshol'
    b'd": 1800, "passed": true, "why": ""}, {"name": "needs_water", "value": 12.34, "threshold": 23.45, "passe'
    b'd": false, "why": "the roots lack  mm, and water is due at  mm"}, {"name": "within_daily_cap", "value": '
    b'14400, "threshold": 60, "passed": true, "why": ""}, {"name": "daily_budget", "value": null, "threshold":'
    b' null, "passed": true, "why": ""}, {"name": "seasonal_budget", "value": null, "threshold": null, "passed'
    b'": true, "why": ""}, {"name": "allowed_hour", "value": null, "threshold": 60, "passed": true, "why": ""}'
    b', {"name": "no_frost", "value": 20.1, "threshold": 2.0, "passed": true, "why": ""}, {"name": "calm", "va'
    b'lue": 1.2, "threshold": null, "passed": true, "why": ""}, {"name": "no_rain_now", "value": 0.0, "thresho'
    b'ld": 1.0, "passed": true, "why": ""}, {"name": "no_rain_ahead", "value": null, "threshold": 0.0, "passed'
    b'": true, "why": ""}, {"name": "pump_free", "value": null, "threshold": 100.0, "passed": true, "why": ""}'
    b', {"name": "bounded_run", "value": 3600, "threshold": 60, "passed": true, "why": ""}], "receipt": {"depl'
    b'etion_mm": 12.345, "sigma_mm": 1.234, "due_mm": 21.234, "left_mm": 0.0, "net_mm": 0.0, "readily_availabl'
    b'e_mm": 23.456, "available_mm": 45.6, "spare_mm": 12.345, "stress": 1.0, "stage": "mid", "day": 71, "kc":'
    b' 1.15, "roots_m": 0.4, "et0_mm_24h": 4.321, "etc_mm_24h": 4.321, "rain_mm_24h": 0.0, "irrigation_mm_24h"'
    b': 0.0, "weather": {"measured": 24}, "demand": 1.0123, "offset": 0.0012, "probes": {"irrigation-gateway-1'
    b'.soil-a": "healthy"}, "unseen_mm": 0.0, "refill_since": null, "next_water_in_h": 48.1, "used_today_l": 0'
    b'.0, "used_season_l": 0.0, "calendar_l": 892.9}}'
)
# The second came when inputs and models were kept by name: a model, then the reasons as above, then the inputs.
_MODEL = (
    b'"refilling": {"begun_at": , "left_mm": 0.0, "least_mm": 2.0, "soak_s": 0}, "watch": {"before": {'
    b', "highest": {, "net_mm": 12.3, "settled_at": , "model": {"at": 1592089200, "state": {"depletion'
    b'_mm": 12.345678901234567, "surface_mm": 7.75, "subsoil_mm": 0.0, "roots_m": 0.37, "wetted": 1.0}'
    b', "belief": {"known": {"mean": {"depletion_mm": 12.345678901234567, "demand": 0.991008064930231,'
    b' "offset": -0.0022218}, "cov": {"depletion_mm depletion_mm": , "depletion_mm demand": 0., "deple'
    b'tion_mm offset": -0.0, "demand demand": 0.02179, "demand offset": -0.000, "offset offset": 0.000'
    b'23}}, "at": 1592089200, "wet_at": 1591894800, "full_at": 0, "used": ["irrigation-gateway-1.soil-'
    b'a"], "surprised": 0, "reach_m": 0.33499999999999996, "below_mm": 0.0, "deep": 0.0}, "probes": {"'
    b'irrigation-gateway-1.soil-a": {"depth_m": 0.185, "vwc": 0.3081, "at": 1592089200, "heard_at": 15'
    b'92089200, "interval_s": 900.0, "same_since": 1592089200, "repeats": 1, "low": 0.0, "high": 0.0, '
    b'"unbelievable": 0, "percent": 0, "doubted": null, "full_days": 0, "full_first": 0.0, "full_first'
    b'_at": 0, "full_last": 0.0, "full_at": 0}}, "verdicts": {"irrigation-gateway-1.soil-a": {"kind": '
    b'"healthy", "why": ""}}, "moved": {"at": [1592002800, "et0_mm": [0.2591, "rain_mm": [0.0, 0.0, 0.'
    b'0, "irrigation_mm": [0.0, 0.0, 0.0, "evaporation_mm": [0.0646, "transpiration_mm": [0.2454, "per'
    b'colation_mm": [0.0, 0.0, 0.0, "source": ["measured", "measured", "unmet_mm": [0.0, 0.0, 0.0]}, "'
    b'refilling": null, "watch": null, "unseen_mm": 0.0}}'
)
_INPUTS = (
    b'"water": {"at": [1591682410], "litres": [9496.0]}, "runs": {"ended_at": [1591682410], "duration_'
    b's": [3600.0]}, "forecast": {"fetched_at": 1591682400, "hours": {"at": [1591682400, 1591686000, "'
    b'rain_mm": [0.0, 0.0, "temperature_c": [12.3, null, null, "wind_m_s": [1.2, null, null, "et0_mm":'
    b' [0.1, null, null]}}, "zone": "{"hours": {}, {"hours": {"at": [1591718400], "et0_mm": [0.1956], '
    b'"rain_mm": [0.0], "source": ["measured"]}, "water": {}, "samples": {"sensor_id": ["irrigation-ga'
    b'teway-1.soil-a", "irrigation-gateway-1.soil-a", "irrigation-gateway-1.soil-a"], "at": [159171930'
    b'0, 1591720200, 1591721100, 1591722000], "vwc": [0.3029, 0.3018, 0.3024, 0.3026]}, "state": {"und'
    b'er_way": null, "runs": {}, "used_today_l": 0.0, "used_season_l": 0.0, "conditions": {"temperatur'
    b'e_c": 16.35, "wind_m_s": 1.28, "rain_hour_mm": 0.0}, "pump_left_l_min": null}, "forecast": null,'
    b' "zone": "'
)
_DICTIONARIES = {1: _FIRST, 2: _MODEL + _FIRST + _INPUTS}
_NEWEST = max(_DICTIONARIES)
LEVEL = 6


def pack(document: Any) -> bytes:
    """Plain numbers, texts, lists and dicts as bytes."""
    packer = zlib.compressobj(LEVEL, zdict=_DICTIONARIES[_NEWEST])
    return bytes([_NEWEST]) + packer.compress(json.dumps(document).encode()) + packer.flush()


def unpack(blob: bytes) -> Any:
    """What `pack` was given."""
    return json.loads(zlib.decompressobj(zdict=_DICTIONARIES[blob[0]]).decompress(blob[1:]))
