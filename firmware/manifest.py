"""What a MicroPython of one's own freezes in: `make -C ports/esp32 BOARD=ESP32_GENERIC FROZEN_MANIFEST=<this file>`.

Frozen modules run from the program's flash and leave the heap to the gateway: on a board without PSRAM nothing else
does. boot.py, slots.py and main.py stay files, as they name the board's own valves and can be held back; so does the
page of a set-up.
"""

# ruff: noqa: F821  # MicroPython's build gives these names

include("$(PORT_DIR)/boards/manifest.py")
package("gateway", base_path="lib", opt=3)
# Without its `physics`, which is for those who read more than a board does.
package(
    "protocol", files=("__init__.py", "errors.py", "json_text.py", "messages.py", "topics.py"), base_path="..", opt=3
)
package("drivers", opt=3)
for name in ("board.py", "config.py", "net.py", "sleep.py", "start.py"):
    module(name, opt=3)
