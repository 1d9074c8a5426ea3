/*
 * The options of authorized_keys that a role may give (design 7): parsed by a
 * closed grammar and written again in one canonical order, so that nothing that
 * somebody typed can end an option early or begin another one (security: TM-24).
 */
#pragma once

#include "base/base.h"

#define SSH_OPTIONS_MAX 4096 /* bytes of the canonical text; an answer of the agent holds 16 KiB */
#define SSH_OPTIONS_ITEMS_MAX 32

enum ssh_option_value {
	SSH_OPTION_FLAG,
	SSH_OPTION_COMMAND,
	SSH_OPTION_FROM,
	SSH_OPTION_OPEN,
	SSH_OPTION_LISTEN
};

/** The options of one role while they are collected. */
struct ssh_options {
	uint32_t flags; /* bits by the table in ssh_options.c */
	size_t value_count;
	struct {
		enum ssh_option_value kind;
		char text[1025]; /* without quotes */
	} values[SSH_OPTIONS_ITEMS_MAX];
};

/**
 * Add one option: restrict, pty, user-rc, port-forwarding, agent-forwarding, X11-forwarding, each
 * also as no-*, command="", from="", permitopen="", permitlisten="" (the last two may repeat).
 * @return NULL, or what is wrong with it
 */
const char *ssh_options_add(struct ssh_options *options, const char *text, size_t len);
/** The canonical text, "restrict" if nothing was added; false if it is longer than size - 1. */
bool ssh_options_format(const struct ssh_options *options, char *out, size_t size) MUST_CHECK;
