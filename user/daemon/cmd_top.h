/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: kedge top: asks a running kedge again and again, and shows what it does. */
#pragma once

int cmd_top(int argc, char **argv);
