/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: kedge probe: what this kernel can do for kedge. */
#pragma once

int cmd_probe(int argc, char **argv);
