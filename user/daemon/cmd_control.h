/* SPDX-License-Identifier: BSD-2-Clause */
/* user only: kedge status, kedge reload, kedge server: asks a running kedge. */
#pragma once

int cmd_status(int argc, char **argv);
int cmd_reload(int argc, char **argv);
int cmd_server(int argc, char **argv);
