#!/usr/bin/env python3
"""Runs google/packetdrill's TCP scripts against Understudy, or natively, and gives the score.

    tests/packetdrill/run.py PACKETDRILL GTESTS [SCRIPT ...]

PACKETDRILL is its binary, GTESTS its folder gtests/net/tcp. Each script runs in a network namespace
of its own (so: as root, or where user namespaces are allowed). See docs/PACKETDRILL.md.
"""
import argparse
import collections
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]

# As packetdrill's own run_all.py has them.
IPV4 = [
    "--local_ip=192.168.0.1", "--gateway_ip=192.168.0.1", "--netmask_ip=255.255.0.0",
    "--remote_ip=192.0.2.1", "-D", "TFO_COOKIE=3021b9d889017eeb", "-D", "CODE=host_unreachable",
]
VERSIONS = {
    "ipv4": ["--ip_version=ipv4", *IPV4,
             "-D", "CMSG_LEVEL_IP=SOL_IP", "-D", "CMSG_TYPE_RECVERR=IP_RECVERR"],
    "ipv6": ["--ip_version=ipv6", "--mtu=1520", "--local_ip=fd3d:0a0b:17d6::1",
             "--gateway_ip=fd3d:0a0b:17d6:8888::1", "--remote_ip=fd3d:fa7b:d17d::1",
             "-D", "TFO_COOKIE=c1d1e9742a47a9bc",
             "-D", "CMSG_LEVEL_IP=SOL_IPV6", "-D", "CMSG_TYPE_RECVERR=IPV6_RECVERR"],
    "mapped": ["--ip_version=ipv4-mapped-ipv6", *IPV4,
               "-D", "CMSG_LEVEL_IP=SOL_IPV6", "-D", "CMSG_TYPE_RECVERR=IPV6_RECVERR"],
}
# The scripts' setup puts a queueing discipline on packetdrill's tun0, which is not there when a
# shared object is the stack.
SETUP = "ip link set lo up && ip tuntap add dev tun0 mode tun && ip link set tun0 up; "
SETUP_NATIVE = "ip link set lo up; "

Result = collections.namedtuple("Result", "passed why seconds")


def build(profile):
    """The shared object, built by cargo."""
    command = ["cargo", "build", "--example", "packetdrill"]
    if profile == "release":
        command.append("--release")
    subprocess.run(command, cwd=ROOT, check=True)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return target / profile / "examples" / "libpacketdrill.so"


def addresses(version, script):
    """The options of that version of IP, with the addresses that the script itself asks for: it
    comes before the command line, and the stack is told by the command line only."""
    text = script.read_text(errors="replace")
    own = {m[1]: m[0] for m in re.finditer(r"^(--(?:local|remote)_ip)=[0-9a-f.:]+", text, re.M)}
    return [own.get(word.split("=")[0], word) for word in VERSIONS[version]]


def command(arguments, version, script):
    """What runs one script."""
    words = [str(arguments.packetdrill.resolve()), "--send_omit_free"]
    words += addresses(version, script)
    if not arguments.native:
        words += [f"--so_filename={arguments.so}"]
        words = ["env", f"LD_PRELOAD={arguments.so}", *words]
    words += [*arguments.option, script.name]
    setup = SETUP_NATIVE if arguments.native else SETUP
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *user, "--net", "sh", "-c", setup + 'exec "$@"', "sh", *words]


def run(arguments, version, script):
    """Runs one script once."""
    began = time.monotonic()
    process = subprocess.Popen(
        command(arguments, version, script), cwd=script.parent, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    try:
        output, _ = process.communicate(timeout=arguments.limit)
        code = process.returncode
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        output, code = f"time limit of {arguments.limit} s\n{output}", None
    seconds = time.monotonic() - began
    if code == 0:
        return Result(True, "", seconds)
    noise = ("sysctl:", "RTNETLINK", "Error: Exclusivity")
    lines = [line for line in output.splitlines() if line and not line.startswith(noise)]
    if code is not None and code < 0:
        lines.append(f"signal {-code}")
    return Result(False, "\n".join(lines) or f"exit status {code}", seconds)


def attempt(arguments, version, script):
    """Runs one script until it passes, as often as is allowed."""
    for number in range(arguments.tries):
        result = run(arguments, version, script)
        if result.passed:
            return result._replace(why="" if number == 0 else f"passed at try {number + 1}")
    return result


def find(arguments, version):
    """The scripts to run with that version of IP, by their path below the folder."""
    other = "v4.pkt" if version == "ipv6" else "v6.pkt"
    scripts = sorted(arguments.gtests.resolve().rglob("*.pkt"))
    named = [p for p in scripts if not p.name.endswith(other)]
    return [p for p in named if not arguments.script
            or any(word in str(p.relative_to(arguments.gtests.resolve()))
                   for word in arguments.script)]


def report(arguments, version, results):
    """Prints the score by folder, and writes the list if one is wanted."""
    folders = collections.defaultdict(lambda: [0, 0])
    for name, result in results.items():
        folder = folders[str(pathlib.PurePath(name).parent)]
        folder[0] += result.passed
        folder[1] += 1
    passed = sum(result.passed for result in results.values())
    print(f"\n{'Linux' if arguments.native else 'Understudy'}, {version}:"
          f" {passed} of {len(results)}\n")
    for folder, (good, count) in sorted(folders.items()):
        print(f"  {folder:28} {good:3} of {count:3}")
    if arguments.output:
        with open(arguments.output, "a", encoding="utf-8") as file:
            for name, result in results.items():
                first = result.why.splitlines()[0] if result.why else ""
                word = "PASS" if result.passed else "FAIL"
                print(word, version, name, first, sep="\t", file=file)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("packetdrill", type=pathlib.Path, help="its binary")
    parser.add_argument("gtests", type=pathlib.Path, help="its folder gtests/net/tcp")
    parser.add_argument("script", nargs="*", help="only those with one of these words in the path")
    parser.add_argument("--native", action="store_true", help="run on Linux itself, to compare")
    parser.add_argument("--so", type=pathlib.Path, help="the shared object (default: build it)")
    parser.add_argument("--profile", choices=["release", "debug"], default="release")
    parser.add_argument("--version", choices=VERSIONS, action="append", help="of IP; default ipv4")
    parser.add_argument("--jobs", type=int, default=1, help="scripts at a time (timing suffers)")
    parser.add_argument("--tries", type=int, default=1, help="times that a script may fail")
    parser.add_argument("--limit", type=float, default=60, help="seconds for one script")
    parser.add_argument("--option", action="append", default=[], help="one more for packetdrill")
    parser.add_argument("--output", help="append PASS or FAIL, version, script, reason to this")
    parser.add_argument("-v", "--verbose", action="store_true", help="print all that it said")
    arguments = parser.parse_intermixed_args()
    if not arguments.native:
        arguments.so = (arguments.so or build(arguments.profile)).resolve()
    failed = False
    for version in arguments.version or ["ipv4"]:
        scripts = find(arguments, version)
        results = {}
        with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
            ran = pool.map(lambda script: attempt(arguments, version, script), scripts)
            for script, result in zip(scripts, ran):
                name = str(script.relative_to(arguments.gtests.resolve()))
                results[name] = result
                why = result.why if arguments.verbose else "".join(result.why.splitlines()[:1])
                print("PASS" if result.passed else "FAIL", name, why, sep="  ", flush=True)
        report(arguments, version, results)
        failed |= not all(result.passed for result in results.values())
    sys.exit(failed)


if __name__ == "__main__":
    main()
