#!/usr/bin/python3
"""Runs a command under a seccomp profile, without a container runtime: to prove that the profile has all it needs.

    apt-get install python3-seccomp
    deploy/seccomp/under.py deploy/seccomp/ringdesk.json ringdesk serve --data /tmp/desk
"""

import json
import os
import sys

import seccomp


def main() -> None:
    profile_path, *command = sys.argv[1:]
    with open(profile_path, encoding="utf-8") as file:
        profile = json.load(file)
    rules = seccomp.SyscallFilter(seccomp.ERRNO(profile["defaultErrnoRet"]))
    unknown = []
    for group in profile["syscalls"]:
        assert group["action"] == "SCMP_ACT_ALLOW", group
        for name in group["names"]:
            try:
                rules.add_rule(seccomp.ALLOW, name)
            except RuntimeError:
                unknown.append(name)  # Of another machine, or newer than this library.
    print("not known here:", *unknown, file=sys.stderr)
    rules.load()
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
