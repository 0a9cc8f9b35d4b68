/* kedge reload: a running kedge reads its configuration anew. */
#include <stdio.h>

#include "cmd.h"
#include "control.h"
#include "control_args.h"
#include "reload.h"

int cmd_reload(int argc, char **argv)
{
	struct control_args args;
	json_t *answer;
	bool ok;
	int status = control_read_args(&args, argc, argv);

	if (status >= 0)
		return status;
	answer = control_ask(args.path, "reload");
	if (!answer)
		return EXIT_FAILED;
	if (args.json) {
		json_dumpf(answer, stdout, JSON_INDENT(2));
		putchar('\n');
		ok = json_is_true(json_object_get(answer, "ok"));
	} else {
		ok = reload_print(answer);
	}
	json_decref(answer);
	return ok ? EXIT_DONE : EXIT_FAILED;
}
