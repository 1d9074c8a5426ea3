/*
 * What is judged of a request before its body: where it goes, and headers that no client of ours
 * sends. And the short answers without JSON.
 */
#pragma once

#include <microhttpd.h>

#include "base/base.h"

/** Bodies that are longer are cut off instead of read to their end. */
#define REQUEST_DISCARD_MAX (1024 * 1024)

enum request_page { REQUEST_RPC, REQUEST_METRICS, REQUEST_HEALTH };

/**
 * Who may read /metrics. Its numbers are of no use to a stranger but to see what an attack does; on
 * loopback it still is not for the web pages in a local browser.
 */
enum request_metrics { REQUEST_METRICS_LOOPBACK, REQUEST_METRICS_ANY, REQUEST_METRICS_OFF };

/** 0, or the status that refuses it. */
unsigned int request_judge(struct MHD_Connection *http, const char *url, const char *method,
			   enum request_metrics metrics, enum request_page *page_out);

/** Answer with a status's own text, and close: who sent this has nothing further to say to us. */
enum MHD_Result request_refuse(struct MHD_Connection *http, unsigned int status);
