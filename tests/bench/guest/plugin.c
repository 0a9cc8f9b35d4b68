/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * plugin: loaded into QEMU, counts every instruction that its guest (x86-64, one CPU) executes
 * between two marks, split by who ran (load client, backend, everybody else), by user and kernel,
 * and by crypto; and system calls and task switches. With symbols it also counts by kernel
 * function.
 *
 *   -plugin plugin.so,out=FILE,switch=ADDR,syscall=ADDR[,symbols=FILE,top=N]
 *
 * switch, syscall: addresses of __switch_to_asm and entry_SYSCALL_64 in the guest (which is started
 * with nokaslr).
 * symbols: lines "ADDR NAME", ascending. For each window one line of JSON goes to FILE.
 *
 * A mark is a nop with a number that programs of ours execute: 1 begin of a window (by the load
 * client), 2 its end, 3 "this task is the backend". Crypto is every instruction of a basic block
 * that holds AES or carry-less multiplication instructions: the inner loops of AES-GCM, in user
 * space and in the kernel alike.
 *
 * Debian packages no header for plugins: the parts of QEMU's API, version 1 (QEMU 4.2 to 8.1), that
 * are used here are declared here. That version cannot read registers. Still the plugin knows the
 * next task, by the address in its task_struct from which __switch_to_asm loads the stack pointer.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- QEMU's side ------------------------------------------------------------------------------ */
#define EXPORT __attribute__((visibility("default")))

typedef uint64_t qemu_plugin_id_t;
typedef uint32_t qemu_plugin_meminfo_t;
struct qemu_info;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
/* QEMU 7.2 does not call back if only reads are asked for. */
enum { CB_NO_REGS = 0, MEM_READ_WRITE = 3, INLINE_ADD_U64 = 0 };

typedef void (*tb_trans_cb)(qemu_plugin_id_t, struct qemu_plugin_tb *);
typedef void (*exec_cb)(unsigned int, void *);
typedef void (*mem_cb)(unsigned int, qemu_plugin_meminfo_t, uint64_t, void *);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, tb_trans_cb cb);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, int op, void *ptr,
					      uint64_t imm);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn, int op, void *ptr,
						uint64_t imm);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, exec_cb cb, int flags,
					    void *arg);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn, mem_cb cb, int flags, int rw,
				      void *arg);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);

EXPORT int qemu_plugin_version = 1;
EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc,
			       char **argv);

/* --- ours ------------------------------------------------------------------------------------- */
#define TASKS_MAX    8192
/* The load instruction of __switch_to_asm is among its first bytes. */
#define SWITCH_BYTES 64

/* QEMU adds to these in its translation of the guest's code. */
struct counts {
	uint64_t user, kernel, user_crypto, kernel_crypto, syscalls;
};

enum who { OTHER, LOAD, BACKEND, WHO_COUNT };
static const char *const who_names[] = {"other", "load", "backend"};

static struct counts now, before, of[WHO_COUNT];
static uint64_t switches, switch_addr, syscall_addr;

static struct task {
	uint64_t address;
	enum who who;
} tasks[TASKS_MAX];
static struct task *current = tasks; /* the first stands for whoever ran before the first switch */
static size_t tasks_count = 1;

static struct symbol {
	uint64_t address, count;
	char *name;
} * symbols;
static size_t symbols_count, top;
static FILE *out;

static void die(const char *what)
{
	fprintf(stderr, "plugin: %s\n", what);
	exit(1);
}

/* The counts since the last call belong to the task that runs. */
static void settle(void)
{
	struct counts *to = &of[current->who];

	to->user += now.user - before.user;
	to->kernel += now.kernel - before.kernel;
	to->user_crypto += now.user_crypto - before.user_crypto;
	to->kernel_crypto += now.kernel_crypto - before.kernel_crypto;
	to->syscalls += now.syscalls - before.syscalls;
	before = now;
}

static void on_switch(unsigned int cpu, qemu_plugin_meminfo_t info, uint64_t address, void *arg)
{
	size_t i;

	settle();
	switches++;
	for (i = 0; i < tasks_count && tasks[i].address != address; i++)
		;
	if (i == tasks_count) {
		if (tasks_count == TASKS_MAX)
			die("too many tasks");
		tasks[tasks_count++] = (struct task){.address = address};
	}
	current = &tasks[i];
}

static int by_count(const void *a, const void *b)
{
	const struct symbol *x = *(struct symbol *const *)a, *y = *(struct symbol *const *)b;

	return (x->count < y->count) - (x->count > y->count);
}

static void print_functions(void)
{
	struct symbol **sorted = calloc(symbols_count + 1, sizeof(*sorted));

	if (!sorted)
		die("out of memory");
	for (size_t i = 0; i < symbols_count; i++)
		sorted[i] = &symbols[i];
	qsort(sorted, symbols_count, sizeof(*sorted), by_count);
	fprintf(out, ", \"functions\": [");
	for (size_t i = 0; i < top && i < symbols_count && sorted[i]->count; i++)
		fprintf(out, "%s[\"%s\", %" PRIu64 "]", i ? ", " : "", sorted[i]->name,
			sorted[i]->count);
	fprintf(out, "]");
	free(sorted);
}

/* There is one of each at a time, and the memory of an ended task is used again. */
static void name_current(enum who who)
{
	for (size_t i = 0; i < tasks_count; i++)
		if (tasks[i].who == who)
			tasks[i].who = OTHER;
	current->who = who;
}

static void begin_window(void)
{
	name_current(LOAD);
	memset(of, 0, sizeof(of));
	before = now;
	switches = 0;
	for (size_t i = 0; i < symbols_count; i++)
		symbols[i].count = 0;
}

static void end_window(void)
{
	settle();
	fprintf(out, "{\"switches\": %" PRIu64, switches);
	for (int i = 0; i < WHO_COUNT; i++)
		fprintf(out,
			", \"%s\": {\"user\": %" PRIu64 ", \"kernel\": %" PRIu64
			", \"user_crypto\": %" PRIu64 ", \"kernel_crypto\": %" PRIu64
			", \"syscalls\": %" PRIu64 "}",
			who_names[i], of[i].user, of[i].kernel, of[i].user_crypto,
			of[i].kernel_crypto, of[i].syscalls);
	if (top)
		print_functions();
	fprintf(out, "}\n");
	fflush(out);
}

static void on_mark(unsigned int cpu, void *number)
{
	settle();
	switch ((uintptr_t)number) {
	case 1:
		begin_window();
		break;
	case 2:
		end_window();
		break;
	case 3:
		name_current(BACKEND);
		break;
	default:
		die("a mark of an unknown number");
	}
}

/* nopl "kdg" N (%rax,%rax): the number of a mark, 0 for any other instruction. */
static unsigned mark_of(const uint8_t *code, size_t size)
{
	static const uint8_t mark[] = {0x0f, 0x1f, 0x84, 0x00, 'k', 'd', 'g'};

	return size == sizeof(mark) + 1 && !memcmp(code, mark, sizeof(mark)) ? code[sizeof(mark)]
									     : 0;
}

/* AESENC, AESENCLAST, AESDEC, AESDECLAST, AESIMC, PCLMULQDQ and their VEX forms. */
static bool is_crypto(const uint8_t *code, size_t size)
{
	const uint8_t *end = code + size;
	uint8_t map;

	if (size >= 5 && code[0] == 0xc4 && (code[2] & 3) == 1) {
		map = (code[1] & 0x1f) == 2 ? 0x38 : (code[1] & 0x1f) == 3 ? 0x3a : 0;
		code += 3;
	} else {
		if (size < 5 || *code++ != 0x66)
			return false;
		if ((*code & 0xf0) == 0x40) /* REX */
			code++;
		if (code + 3 > end || code[0] != 0x0f)
			return false;
		map = code[1];
		code += 2;
	}
	return (map == 0x38 && *code >= 0xdb && *code <= 0xdf) || (map == 0x3a && *code == 0x44);
}

/* mov disp32(%rsi),%rsp */
static bool loads_stack(const uint8_t *code, size_t size)
{
	return size >= 3 && code[0] == 0x48 && code[1] == 0x8b &&
	       (code[2] == 0xa6 || code[2] == 0x66);
}

static void watch_insn(struct qemu_plugin_insn *insn, bool *crypto)
{
	const uint8_t *code = qemu_plugin_insn_data(insn);
	size_t size = qemu_plugin_insn_size(insn);
	uint64_t address = qemu_plugin_insn_vaddr(insn);
	unsigned mark = mark_of(code, size);

	if (is_crypto(code, size))
		*crypto = true;
	if (mark)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_mark, CB_NO_REGS,
						       (void *)(uintptr_t)mark);
	if (address == syscall_addr)
		qemu_plugin_register_vcpu_insn_exec_inline(insn, INLINE_ADD_U64, &now.syscalls, 1);
	if (address - switch_addr < SWITCH_BYTES && loads_stack(code, size))
		qemu_plugin_register_vcpu_mem_cb(insn, on_switch, CB_NO_REGS, MEM_READ_WRITE, NULL);
}

/* The function that holds an address; NULL below the first. */
static struct symbol *find_symbol(uint64_t address)
{
	size_t low = 0, high = symbols_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (symbols[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &symbols[low - 1] : NULL;
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t count = qemu_plugin_tb_n_insns(tb);
	bool kernel = qemu_plugin_tb_vaddr(tb) >> 63, crypto = false;
	struct symbol *symbol = kernel ? find_symbol(qemu_plugin_tb_vaddr(tb)) : NULL;

	for (size_t i = 0; i < count; i++)
		watch_insn(qemu_plugin_tb_get_insn(tb, i), &crypto);
	qemu_plugin_register_vcpu_tb_exec_inline(tb, INLINE_ADD_U64,
						 kernel ? &now.kernel : &now.user, count);
	if (crypto)
		qemu_plugin_register_vcpu_tb_exec_inline(
			tb, INLINE_ADD_U64, kernel ? &now.kernel_crypto : &now.user_crypto, count);
	if (symbol)
		qemu_plugin_register_vcpu_tb_exec_inline(tb, INLINE_ADD_U64, &symbol->count, count);
}

static void read_symbols(const char *path)
{
	FILE *in = fopen(path, "r");
	uint64_t address;
	size_t room = 0;
	char *name;

	if (!in)
		die("cannot read the symbols");
	while (fscanf(in, "%" SCNx64 " %ms", &address, &name) == 2) {
		if (symbols_count == room) {
			room = room ? 2 * room : 4096;
			symbols = realloc(symbols, room * sizeof(*symbols));
			if (!symbols)
				die("out of memory");
		}
		symbols[symbols_count++] = (struct symbol){.address = address, .name = name};
	}
	fclose(in);
}

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		const char *value = strchr(argv[i], '=');

		if (!value++)
			die("an option without a value");
		if (!strncmp(argv[i], "out=", 4))
			out = fopen(value, "w");
		else if (!strncmp(argv[i], "switch=", 7))
			switch_addr = strtoull(value, NULL, 16);
		else if (!strncmp(argv[i], "syscall=", 8))
			syscall_addr = strtoull(value, NULL, 16);
		else if (!strncmp(argv[i], "symbols=", 8))
			read_symbols(value);
		else if (!strncmp(argv[i], "top=", 4))
			top = strtoul(value, NULL, 10);
		else
			die("an unknown option");
	}
	if (!out || !switch_addr || !syscall_addr)
		die("out=, switch= and syscall= are needed");
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
	return 0;
}
