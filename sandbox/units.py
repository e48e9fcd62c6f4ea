# SPDX-License-Identifier: Apache-2.0
"""Times and quantities as Kubernetes writes them."""
import datetime
import re

FORMAT = "%Y-%m-%dT%H:%M:%SZ"
UNITS = {"": 1, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30,
         "Ti": 1 << 40}


def now():
    return datetime.datetime.utcnow().strftime(FORMAT)


def later(seconds):
    return (datetime.datetime.utcnow() + datetime.timedelta(seconds=seconds)).strftime(FORMAT)


def quantity(text):
    """The number that "100m", "64Mi" or "1e3" stands for; ValueError when it is none."""
    match = re.fullmatch(r"([+-]?[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)([a-zA-Z]*)", str(text))
    if not match or match[2] not in UNITS:
        raise ValueError("quantities must match the regular expression "
                         "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
    return float(match[1]) * UNITS[match[2]]
