/* SPDX-License-Identifier: BSD-2-Clause */
/* Decides which capabilities are used. See capabilities.h. */
#include "daemon/capabilities.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/capability_loss.h"
#include "bpf/kbpf_pins.h"
#include "daemon/daemon.h"
#include "base/log.h"
#include "daemon/probe_bpf.h"
#include "daemon/probe_record.h"

static bool wants_tls(const struct conf *conf)
{
	for (size_t i = 0; i < conf->listeners_count; i++)
		if (conf->listeners[i].tls)
			return true;
	return false;
}

/* The first thing that is missing for a capability. */
static const struct probe_row *first_missing(const struct probe_report *r, const char *capability)
{
	for (size_t i = 0; i < r->count; i++)
		if (!r->rows[i].ok && !strcmp(r->rows[i].capability, capability))
			return &r->rows[i];
	return NULL;
}

/* The first thing that a capability cannot work without. A FIONREAD that lies is not one. */
static const struct probe_row *first_decisive(const struct probe_report *r, const char *capability)
{
	for (size_t i = 0; i < r->count; i++)
		if (!r->rows[i].ok && !strcmp(r->rows[i].capability, capability) &&
		    strncmp(r->rows[i].name, "FIONREAD", strlen("FIONREAD")) != 0)
			return &r->rows[i];
	return NULL;
}

/* Why a capability is not used. Without BPF there is no row of the bypass: edit has the cause. */
static const struct probe_row *first_cause(const struct probe_report *r, const char *capability)
{
	const struct probe_row *missing = first_missing(r, capability);

	return missing || strcmp(capability, "bypass") != 0 ? missing : first_decisive(r, "edit");
}

/* Sets *use. -ENOTSUP after a line if the capability is required and does not work. */
static int decide(bool *use, enum policy policy, bool works, const char *capability,
		  const struct probe_report *r)
{
	const struct probe_row *missing = first_decisive(r, capability);
	const char *next = "";

	if (!missing && !works)
		missing = first_decisive(r, "edit"); /* BPF as a whole */
	*use = works && policy != POLICY_OFF;
	if (policy != POLICY_REQUIRE || works)
		return 0;
	if (missing && missing->next && !missing->fallback)
		next = missing->next;
	log_error("%s: required, but not possible: %s: %s%s%s (%s: prefer starts without it)",
		  capability, missing ? missing->name : "probe",
		  missing ? missing->detail : "not tried", *next ? "; next step: " : "", next,
		  capability);
	return -ENOTSUP;
}

static int record_decide(struct daemon *d, struct probe_report *r)
{
	if (d->conf->record == POLICY_OFF)
		return 0;
	probe_record(r);
	if (!wants_tls(d->conf)) { /* but a reload may bring some */
		d->shared.record_kernel = r->record;
		return 0;
	}
	return decide(&d->shared.record_kernel, d->conf->record, r->record, "record", r);
}

static void stats_clear(struct daemon *d)
{
	for (unsigned i = 0; i < d->conf->workers; i++)
		memset(kbpf_stats(d->shared.bpf, i), 0, sizeof(struct kedge_stats));
}

/* Opens BPF for the policies. If only the bypass fails and is not required, opens without it. */
static int kbpf_open_wanted(struct daemon *d, struct kbpf_opts *opts, char why[256])
{
	int err = kbpf_open(&d->shared.bpf, opts, why);

	if (!err || err == -EBUSY || !opts->bypass || d->conf->bypass != POLICY_PREFER ||
	    !opts->edit)
		return err;
	log_warn("bypass: not possible: %s", why);
	opts->bypass = false;
	return kbpf_open(&d->shared.bpf, opts, why);
}

/*
 * An application that asks FIONREAD may stall if it lies. `require` means that the application was
 * tested with the bypass; `prefer` uses the bypass only if no problem is known.
 */
static bool bypass_may(const struct conf *conf, const struct probe_report *r)
{
	return r->bypass && (!first_missing(r, "bypass") || conf->bypass == POLICY_REQUIRE);
}

/* The bypass will not be used: opens BPF again without it, so its program leaves the cgroup. */
static int kbpf_without_bypass(struct daemon *d, struct kbpf_opts *opts)
{
	char why[256] = "";
	int err = 0;

	opts->bypass = false;
	kbpf_close(d->shared.bpf);
	d->shared.bpf = NULL;
	if (d->shared.edit_kernel)
		err = kbpf_open(&d->shared.bpf, opts, why);
	if (err)
		log_error("edit: %s", why);
	return err;
}

static int kbpf_decide(struct daemon *d, struct probe_report *r)
{
	const struct conf *conf = d->conf;
	const unsigned each = limits_flows_each(conf);
	struct kbpf_opts opts = {
		.edit = conf->edit != POLICY_OFF,
		.bypass = conf->bypass != POLICY_OFF,
		.cgroup = conf->cgroup,
		.pin = conf->pin,
		.workers = conf->workers,
		/* More than clients: idle legs in the pool of a worker count, too. */
		.flows_max = each * conf->workers,
		.flows_each = each,
	};
	char why[256] = "";
	int err;

	if (!opts.edit && !opts.bypass) {
		kbpf_pins_sweep(conf->pin, "");
		return 0;
	}
	err = kbpf_open_wanted(d, &opts, why);
	if (err == -EBUSY) /* the pins belong to another kedge: no reason to fall back */
		return log_error("%s", why), err;
	if (err < 0) {
		probe_no_bpf(r, why);
	} else {
		if (opts.edit)
			probe_edit(r, d->shared.bpf);
		if (opts.bypass)
			probe_bypass(r, d->shared.bpf);
	}
	err = decide(&d->shared.edit_kernel, conf->edit, r->edit, "edit", r);
	if (!err)
		err = decide(&d->shared.bypass, conf->bypass, bypass_may(conf, r), "bypass", r);
	if (!err && d->shared.bpf && opts.bypass && !d->shared.bypass)
		err = kbpf_without_bypass(d, &opts);
	if (err || !d->shared.bpf)
		return err;
	d->shared.flows_max = conf->connections_max;
	stats_clear(d);
	return 0;
}

static int peername_decide(struct daemon *d, struct probe_report *r)
{
	const struct conf *conf = d->conf;
	const struct peername_opts opts = {
		.cgroup = conf->cgroup,
		.app_cgroup = conf->app_cgroup,
		.everywhere = !conf->app_cgroup && !conf->cgroup,
		.pin = conf->pin,
		.flows_max = conf->connections_max,
	};
	char why[256] = "";
	bool use;
	int err;

	if (conf->peername == POLICY_OFF) {
		kbpf_pins_sweep(conf->pin, PEERNAME_PIN);
		return 0;
	}
	err = peername_open(&d->shared.peername, &opts, why);
	if (err == -EBUSY) /* see kbpf_decide() */
		return log_error("%s", why), err;
	if (err < 0) {
		probe_no_peername(r, why);
	} else {
		probe_peername(r, d->shared.peername);
		peername_clear_stats(d->shared.peername);
	}
	err = decide(&use, conf->peername, r->peername, "peername", r);
	if (!use) {
		peername_close(d->shared.peername);
		d->shared.peername = NULL;
	}
	if (d->shared.peername && opts.everywhere)
		log_warn(
			"peername: attached to the root of the cgroup hierarchy: its programs run "
			"for every TCP connection of this host; app-cgroup names the cgroup of the "
			"application instead");
	return err;
}

/* Warns if FIONREAD lies, since an application may rely on it. */
static void say_fionread(const struct daemon *d, const struct probe_report *r)
{
	const struct probe_row *row = first_missing(r, "bypass");

	if (r->bypass && row)
		log_emit(d->shared.bypass ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, 0,
			 "bypass: FIONREAD is not to be relied on here (%s): %s", row->detail,
			 row->next ? row->next : "");
}

/* Why a capability is not used, whatever the application is. */
static const char *why_not(const struct probe_report *r, const char *name, enum policy policy,
			   bool by_default)
{
	const struct probe_row *missing = first_cause(r, name);

	if (policy == POLICY_OFF)
		return by_default ? "default" : "switched off";
	return missing ? missing->detail : "nothing needs it";
}

/*
 * A capability that is preferred, and missing: pins, privileges, another program. kedge starts, but
 * this must not drown in the list of all.
 */
static void say_missing(const struct conf *conf, const struct probe_report *r, const char *name)
{
	const struct probe_row *row = first_cause(r, name);
	const bool tls = !strcmp(name, "record");

	if (!row || (tls ? !wants_tls(conf) : conf_all_unix(conf)))
		return;
	if (!strcmp(name, "bypass") && r->bypass) /* say_fionread() tells of it */
		return;
	log_warn("%s: preferred, but not possible: %s: %s%s%s (%s: off silences this)", name,
		 row->name, row->detail, row->next ? "; next step: " : "",
		 row->next ? row->next : "", name);
}

static void say_outcome(struct daemon *d, const struct probe_report *r)
{
	const struct conf *conf = d->conf;
	const struct {
		const char *name;
		enum policy policy;
		bool use;
		const char *with, *without;
	} all[CAPABILITY_COUNT] = {
		[CAPABILITY_RECORD] = {"record", conf->record, d->shared.record_kernel, "kernel",
				       "user space"},
		[CAPABILITY_EDIT] = {"edit", conf->edit, d->shared.edit_kernel, "kernel",
				     "user space"},
		[CAPABILITY_BYPASS] = {"bypass", conf->bypass, d->shared.bypass, "on", "off"},
		[CAPABILITY_PEERNAME] = {"peername", conf->peername, d->shared.peername != NULL,
					 "on", "off"},
	};
	const bool app_unix = conf_all_unix(conf);
	char line[1024] = "";
	size_t len = 0;

	for (int i = 0; i < CAPABILITY_COUNT; i++) {
		const bool by_default = i == CAPABILITY_BYPASS || i == CAPABILITY_PEERNAME;
		const bool no_bpf = app_unix && i != CAPABILITY_RECORD;
		const char *why = why_not(r, all[i].name, all[i].policy, by_default);

		if (!all[i].use)
			snprintf(d->capability_why[i], sizeof(d->capability_why[i]), "%s", why);
		if (no_bpf && all[i].policy != POLICY_OFF)
			why = CAPABILITY_UNIX;
		len += (size_t)snprintf(line + len, sizeof(line) - len, "%s%s %s", i ? ", " : "",
					all[i].name,
					all[i].use && !no_bpf ? all[i].with : all[i].without);
		if (!all[i].use || no_bpf)
			len += (size_t)snprintf(line + len, sizeof(line) - len, " (%s)", why);
	}
	log_info("capabilities: %s", line);
	for (int i = 0; i < CAPABILITY_COUNT; i++)
		if (!all[i].use && all[i].policy == POLICY_PREFER)
			say_missing(conf, r, all[i].name);
	say_fionread(d, r);
}

/* From here on losses are tracked. */
static void losses_start(const struct conf *conf)
{
	capability_start(CAPABILITY_RECORD, conf->record == POLICY_REQUIRE);
	capability_start(CAPABILITY_EDIT, conf->edit == POLICY_REQUIRE);
	capability_start(CAPABILITY_BYPASS, conf->bypass == POLICY_REQUIRE);
	capability_start(CAPABILITY_PEERNAME, conf->peername == POLICY_REQUIRE);
}

int capabilities_decide(struct daemon *d)
{
	struct probe_report report = {0};
	int err;

	losses_start(d->conf);
	err = record_decide(d, &report);
	if (!err)
		err = kbpf_decide(d, &report);
	if (!err)
		err = peername_decide(d, &report);
	if (err)
		return err;
	say_outcome(d, &report);
	d->record_caps = report.caps;
	return 0;
}
