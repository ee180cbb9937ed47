"""Build the flash of a board, and bring it there: `python -m firmware --help`."""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from firmware import build, bundle, config, flash, heap, signing, wifi
from gateway.errors import GatewayError

KNOWN_TROUBLE = (GatewayError, OSError)


def main(words: list[str] | None = None) -> int:
    """Run one command; a mistake of the user's is one line on stderr and code 2."""
    arguments = _parser().parse_args(words)
    try:
        return int(arguments.run(arguments))
    except KNOWN_TROUBLE as error:
        print(f"firmware: {error}", file=sys.stderr)
        return 2


def _build(arguments: argparse.Namespace) -> int:
    pins = config.load(str(arguments.pins)) if arguments.pins else None
    files = build.build(arguments.out, pins)
    report = build.size_report(files)
    breaches = [*build.breaches(files)]
    build.write_size_report(arguments.out, report)
    build.write_names(arguments.out)
    if not arguments.no_heap:
        report.update(heap.report(heap.measured()))
        breaches += heap.breaches(report)
        build.write_size_report(arguments.out, report)
    for what, size, most in [*build.table(report), *heap.table(report)]:
        print(f"{what:<32}{size:>8,} bytes{f', at most {most:,}' if most else ''}")
    print(f"in {arguments.out}; the figures too, in size.json, and the names of tracebacks in names.json")
    for breach in breaches:
        print(breach, file=sys.stderr)
    return 1 if breaches else 0


def _check(arguments: argparse.Namespace) -> int:
    entries = config.check_config(config.load(str(arguments.config)))
    flash.check_root(entries)
    pins = config.check_pins(config.load(str(arguments.pins)), *config.needs(entries))
    print(f"{entries['gateway_id']}: {len(pins['valves'])} valves, {len(pins.get('sensors', []))} sensors, all well")
    print(*_wiring(pins), sep="\n")
    return 0


def _wiring(pins: dict[str, Any]) -> Iterator[str]:
    """What keeps each valve shut while its pin floats: as the chip starts, or hangs."""
    rows = [(row["zone_id"], row) for row in pins["valves"]]
    for name, row in [*rows, *([("master", pins["master"])] if pins.get("master") else [])]:
        for entry in ("pin", "open_pin", "close_pin"):
            if entry in row:
                to = "3.3 V" if row.get("on") == 0 else "ground"
                yield f"  GPIO {row[entry]} ({name}): 10 kOhm to {to}, else it may open while the chip starts"


def _flash(arguments: argparse.Namespace) -> int:
    order = flash.Order(
        port=arguments.port,
        config=arguments.config,
        pins=arguments.pins,
        certs=arguments.certs,
        image=arguments.image,
        baud=arguments.baud,
        update_keys=arguments.update_keys,
        version=arguments.version,
    )
    with tempfile.TemporaryDirectory() as folder:
        files = flash.lay_out(order, Path(folder) / "flash")
        for step in flash.flash(order, Path(folder) / "flash", files):
            print(step, flush=True)
    flash.forget_spares(order.certs)
    return flash.follow(order) if arguments.follow else 0


def _bundle(arguments: argparse.Namespace) -> int:
    size = bundle.write(arguments.config, arguments.pins, arguments.certs, arguments.out)
    print(f"{arguments.out}: {size} bytes for a board's set-up page. It holds the private key: delete it afterwards")
    return 0


def _wifi(arguments: argparse.Namespace) -> int:
    names = wifi.change(arguments.port, arguments.config)
    print(f"the board joins {', then '.join(names)}; nothing else on it was changed")
    return 0


def _keygen(arguments: argparse.Namespace) -> int:
    public = signing.make_key(arguments.key)
    print(f"{arguments.key} signs updates: keep it secret, and a copy where it cannot be lost")
    print(f"{public} is for boards: python -m firmware flash --update-keys {public} ...")
    return 0


def _sign(arguments: argparse.Namespace) -> int:
    if arguments.image:
        files = signing.sign_image(arguments.out, arguments.key, arguments.version, arguments.image)
    else:
        files = signing.sign(arguments.out, arguments.key, arguments.version)
    breaches = [*build.breaches(files)]
    for breach in breaches:
        print(breach, file=sys.stderr)
    print(f"version {arguments.version}: {len(files)} files, {sum(file.bytes for file in files):,} bytes")
    print(f"in {arguments.out}")
    return 1 if breaches else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m firmware", description="The gateway's firmware, from here to a board."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    row = commands.add_parser("build", help="compile what a board runs, and hold it to its budgets")
    row.add_argument("--out", type=Path, default=Path("build/firmware"), help="made anew (default: %(default)s)")
    row.add_argument("--pins", type=Path, help="pins.json, whose valves boot.py then also knows by itself")
    row.add_argument("--no-heap", action="store_true", help="do not measure what it takes of a board's memory")
    row.set_defaults(run=_build)
    row = commands.add_parser("check", help="check a board's configuration, without a board")
    _add_files(row)
    row.set_defaults(run=_check)
    row = commands.add_parser("flash", help="write MicroPython, the firmware, one configuration and one identity")
    _add_files(row)
    row.add_argument("--port", required=True, help="serial port, as /dev/ttyUSB0 or COM3")
    row.add_argument("--certs", type=Path, required=True, help="one gateway's folder with its three .pem files")
    row.add_argument("--image", type=Path, help="MicroPython's .bin for the ESP32; without it, the board's own stays")
    row.add_argument("--baud", type=int, default=460800, help="for the image (default: %(default)s)")
    row.add_argument(
        "--update-keys",
        type=Path,
        nargs="+",
        default=[],
        metavar="PUBLIC",
        help="who may sign updates: one or two .pem",
    )
    row.add_argument("--version", type=int, default=0, help="of the signed update that this firmware is")
    row.add_argument("--follow", action="store_true", help="afterwards show what the board says; Ctrl-X ends that")
    row.set_defaults(run=_flash)
    row = commands.add_parser("bundle", help="write a set-up file for a board's own page, where no cable is")
    _add_files(row)
    row.add_argument("--certs", type=Path, required=True, help="one gateway's folder with its three .pem files")
    row.add_argument("--out", type=Path, required=True, help="a new file, for its owner's eyes only")
    row.set_defaults(run=_bundle)
    row = commands.add_parser("wifi", help="give a board that is set up the Wi-Fi of config.json, and nothing else")
    row.add_argument("--port", required=True, help="serial port, as /dev/ttyUSB0 or COM3")
    row.add_argument("--config", type=Path, default=Path("config.json"), help="default: %(default)s")
    row.set_defaults(run=_wifi)
    row = commands.add_parser("keygen", help="make the key that signs updates over the air")
    _add_key(row)
    row.set_defaults(run=_keygen)
    row = commands.add_parser("sign", help="build an update over the air, and sign it")
    _add_key(row)
    row.add_argument("--version", type=int, required=True, help="a whole number; boards take a higher one only")
    row.add_argument("--image", type=Path, help="for boards with frozen modules: the build's micropython.bin")
    row.add_argument("--out", type=Path, default=Path("build/update"), help="made anew (default: %(default)s)")
    row.set_defaults(run=_sign)
    return parser


def _add_key(row: argparse.ArgumentParser) -> None:
    row.add_argument("--key", type=Path, default=Path("update.key"), help="the private one (default: %(default)s)")


def _add_files(row: argparse.ArgumentParser) -> None:
    row.add_argument("--config", type=Path, default=Path("config.json"), help="default: %(default)s")
    row.add_argument("--pins", type=Path, default=Path("pins.json"), help="default: %(default)s")


if __name__ == "__main__":
    sys.exit(main())
