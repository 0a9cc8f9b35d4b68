# SPDX-License-Identifier: BSD-2-Clause
"""Who is shown in README.md and in the overview, and under which name."""
import re

KERNEL = "6.12"
PROXIES = {"nginx": "nginx", "haproxy": "HAProxy", "hitch": "hitch"}
# What kedge does in the kernel, and its name in the figures.
USER = "user space only"
IN_GUEST = {f"kedge, {USER}": "kedge", "edit and bypass in the kernel": "kedge+edit+bypass",
            "record, edit and bypass in the kernel": "kedge+record+edit+bypass"}
NATIVE = {USER: "kedge", "edit and bypass in the kernel": "kedge+edit+bypass"}


def short(version):
    return re.match(r"\d+(\.\d+)*", version)[0]


def kernel_version(package):
    return re.search(r"linux-image-(\d+\.\d+\.\d+)", package)[1]


def versions_text(data, names):
    return ", ".join(f"{PROXIES.get(name, name)} {short(data['versions'][name])}" for name in names)
