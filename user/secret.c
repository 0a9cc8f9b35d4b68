/* Who else may read a file that holds a secret. See secret.h. */
#include "secret.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

static gid_t future_group; /* 0, root's, is fine in any case */

void secret_group(unsigned gid)
{
	future_group = gid;
}

/* A group is fine that has no members but kedge and those who could read everything anyway. */
static bool group_is_ours(gid_t gid)
{
	return !gid || gid == getegid() || gid == future_group;
}

int secret_check(int fd, const char *what, const char *path)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return log_err(errno, "%s %s: can not be looked at", what, path);
	if (!S_ISREG(st.st_mode))
		return 0; /* a pipe or a device is nobody's to read twice */
	if (st.st_mode & (S_IROTH | S_IWOTH)) {
		log_error("%s %s: everybody may read it (mode %03o): chmod 600 %s", what, path,
			  st.st_mode & 0777, path);
		return -EPERM;
	}
	if (st.st_mode & (S_IRGRP | S_IWGRP) && !group_is_ours(st.st_gid)) {
		log_error("%s %s: group %u may read it (mode %03o): chmod 600 %s, or chgrp it to "
			  "the group that kedge runs as",
			  what, path, st.st_gid, st.st_mode & 0777, path);
		return -EPERM;
	}
	return 0;
}
