/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: the terminal of `kedge top`: another screen while it runs, and the one from before
 * afterwards, also after a signal.
 */
#pragma once

#include <stdbool.h>

#include "daemon/top_view.h"

enum top_event {
	TOP_TIME,   /* the interval is over */
	TOP_RESIZE, /* the window has another size, or is in front again */
	TOP_QUIT,   /* a key, or the terminal is gone */
	TOP_SIGNAL, /* top_signal() says which */
};

/* Switches the screen and the keyboard. 0 or -errno, logged. */
int top_screen_open(void);

/* Puts back everything. May be called twice. */
void top_screen_close(void);

/* Of the window as it is now. */
struct top_size top_screen_size(void);

/* Lines of text. False if the terminal is gone, or a signal says to end. */
bool top_screen_draw(const char *text);

/* Waits until something happens. */
enum top_event top_screen_wait(unsigned ms);

/* The signal that says to end; 0: none has come. */
int top_signal(void);

/* For those without a screen: signals are noticed from here on. */
void top_signals(void);

/* Those that do not end it wait until they are let through again. */
void top_signals_hold(bool hold);
