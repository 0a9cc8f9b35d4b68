/* SPDX-License-Identifier: BSD-2-Clause */
/* User, capabilities, new privileges, core dumps. See confine.h. */
#include "confine/confine.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/capability.h>

#include "base/decimal.h"
#include "base/log.h"

/* Names for the line that lists the capabilities that are left. */
static const struct {
	unsigned bit;
	const char *name;
} names[] = {
	{CAP_BPF, "CAP_BPF"},
	{CAP_NET_ADMIN, "CAP_NET_ADMIN"},
	{CAP_NET_BIND_SERVICE, "CAP_NET_BIND_SERVICE"},
};

/* --- the user --------------------------------------------------------------------------------- */

/* A whole number that fits an id; (id_t)-1 means "unchanged" to the kernel. */
static bool parse_id(unsigned *out, const char *text)
{
	uint64_t n;

	if (!decimal_parse(text, strlen(text), UINT32_MAX - 1, &n))
		return false;
	*out = (unsigned)n;
	return true;
}

static int find_group(gid_t *out, const char *text, char why[CONFINE_WHY_SIZE])
{
	const struct group *gr = getgrnam(text);

	if (gr)
		*out = gr->gr_gid;
	else if (!parse_id(out, text)) {
		snprintf(why, CONFINE_WHY_SIZE, "there is no group \"%.64s\"", text);
		return -EINVAL;
	}
	return 0;
}

int confine_find_user(struct confine_user *out, const char *text, char why[CONFINE_WHY_SIZE])
{
	const char *colon = strchr(text, ':');
	const struct passwd *pw;
	struct confine_user found;
	char name[64];
	int n = snprintf(name, sizeof(name), "%.*s", (int)(colon ? colon - text : INT16_MAX), text);

	if (n < 0 || (size_t)n >= sizeof(name)) {
		snprintf(why, CONFINE_WHY_SIZE, "the name of a user is shorter");
		return -EINVAL;
	}
	pw = getpwnam(name);
	if (pw) {
		found = (struct confine_user){.uid = pw->pw_uid, .gid = pw->pw_gid};
	} else if (!parse_id(&found.uid, name)) {
		snprintf(why, CONFINE_WHY_SIZE, "there is no user \"%s\"", name);
		return -EINVAL;
	} else {
		pw = getpwuid(found.uid);
		if (!pw && !colon) {
			snprintf(why, CONFINE_WHY_SIZE,
				 "user %u has no entry: give its group, %u:GROUP", found.uid,
				 found.uid);
			return -EINVAL;
		}
		found.gid = pw ? pw->pw_gid : 0;
	}
	if (colon && find_group(&found.gid, colon + 1, why))
		return -EINVAL;
	*out = found;
	return 0;
}

/* Supplementary groups come from the user database. A number without an entry there has none. */
static int set_groups(const struct confine_user *user)
{
	const struct passwd *pw = getpwuid(user->uid);

	if (pw)
		return initgroups(pw->pw_name, user->gid) < 0 ? -errno : 0;
	return setgroups(1, &user->gid) < 0 ? -errno : 0;
}

/* The change keeps the capabilities. caps_drop() removes some of them afterwards. */
static int become(const char *text)
{
	struct confine_user user;
	char why[CONFINE_WHY_SIZE];
	int err = confine_find_user(&user, text, why);

	if (err)
		return log_error("user: %s", why), err;
	if (getuid() == user.uid && geteuid() == user.uid && getgid() == user.gid)
		return 0;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return log_err(errno, "user %s: capabilities cannot be kept", text);
	err = set_groups(&user);
	if (!err && (setresgid(user.gid, user.gid, user.gid) < 0 ||
		     setresuid(user.uid, user.uid, user.uid) < 0))
		err = -errno;
	if (err)
		return log_err(err,
			       "user %s: cannot become it: start kedge as root, or without --user",
			       text);
	prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
	return 0;
}

/* --- capabilities ----------------------------------------------------------------------------- */

struct sets {
	uint64_t effective, permitted, inheritable;
};

static int caps_get(struct sets *out)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};

	if (syscall(SYS_capget, &head, data) < 0)
		return -errno;
	out->effective = data[0].effective | (uint64_t)data[1].effective << 32;
	out->permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
	out->inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32;
	return 0;
}

static int caps_set(const struct sets *sets)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	for (int i = 0; i < 2; i++)
		data[i] = (struct __user_cap_data_struct){
			.effective = (uint32_t)(sets->effective >> 32 * i),
			.permitted = (uint32_t)(sets->permitted >> 32 * i),
			.inheritable = (uint32_t)(sets->inheritable >> 32 * i),
		};
	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

bool confine_has(unsigned capability)
{
	struct sets sets = {0};

	return !caps_get(&sets) && sets.effective >> capability & 1;
}

int confine_switch(unsigned capability, bool on)
{
	struct sets sets = {0};
	int err = caps_get(&sets);

	if (err)
		return err;
	sets.effective &= ~(1ULL << capability);
	if (on)
		sets.effective |= sets.permitted & 1ULL << capability;
	return caps_set(&sets);
}

/*
 * The bounding set is what a program that kedge executes could get. kedge executes none. It may
 * lack the right to drop the set (CAP_SETPCAP), but no_new_privs makes it ineffective.
 */
static void caps_drop_bounding(uint64_t keep)
{
	for (unsigned cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (!(keep >> cap & 1))
			prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

static int caps_drop(uint64_t keep)
{
	struct sets sets = {0};
	int err = caps_get(&sets);

	if (err)
		return err;
	sets.permitted &= keep;
	sets.effective = sets.permitted;
	sets.inheritable = 0;
	return caps_set(&sets);
}

void confine_keep(uint64_t keep)
{
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	caps_drop_bounding(keep);
	caps_drop(keep);
}

/* --- all of it -------------------------------------------------------------------------------- */

void confine_secrets(void)
{
	const struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static void say(const struct confine_conf *conf)
{
	static const char *const modes[] = {"off", "log", "errno", "enforce"};
	struct sets left = {0};
	char caps[128] = "";
	size_t len = 0;

	caps_get(&left);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (left.permitted >> names[i].bit & 1)
			len += (size_t)snprintf(caps + len, sizeof(caps) - len, "%s%s",
						len ? ", " : "", names[i].name);
	log_info("confined: uid %u, gid %u, capabilities: %s; seccomp %s", geteuid(), getegid(),
		 caps[0] ? caps : "none", modes[conf->seccomp]);
}

int confine(const struct confine_conf *conf)
{
	int err;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return log_err(errno, "no_new_privs: refused");
	/* Before the change of user, which removes CAP_SETPCAP. */
	caps_drop_bounding(conf->keep);
	err = conf->user ? become(conf->user) : 0;
	if (err)
		return err;
	if (!conf->user && !geteuid())
		log_warn("kedge runs as root: give it a user of its own (--user "
			 "NAME; --user root says "
			 "that root is meant)");
	err = caps_drop(conf->keep);
	if (err)
		return log_err(err, "capabilities: cannot be given up");
	confine_secrets();
	say(conf);
	return seccomp_confine(conf->seccomp);
}
