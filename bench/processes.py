# SPDX-License-Identifier: Apache-2.0
"""What a process has cost so far."""
import os
import re


def status(pid, field):
    """A number of /proc/PID/status, such as VmHWM in KiB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(field + r":\s+(\d+)", file.read())[1])


def cpu_seconds(pid):
    """Of all threads of a process."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
