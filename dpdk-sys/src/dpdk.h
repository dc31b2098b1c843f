/*
 * What dpdk-sys shows of DPDK, and the few things that bindgen cannot read from its headers
 * or that differ between DPDK 22.11 and 24.11. Everything here starts with dpdk_sys_.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* fopencookie */
#endif
#include <stddef.h>
#include <stdio.h>

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_memory.h>
#include <rte_mempool.h>
#include <rte_version.h>
#include <rte_vfio.h>

/* Where the fields of struct rte_mbuf are, however they are nested in unions and groups. */
enum dpdk_sys_mbuf_offset {
	DPDK_SYS_MBUF_BUF_ADDR = offsetof(struct rte_mbuf, buf_addr),
	DPDK_SYS_MBUF_BUF_LEN = offsetof(struct rte_mbuf, buf_len),
	DPDK_SYS_MBUF_DATA_OFF = offsetof(struct rte_mbuf, data_off),
	DPDK_SYS_MBUF_DATA_LEN = offsetof(struct rte_mbuf, data_len),
	DPDK_SYS_MBUF_PKT_LEN = offsetof(struct rte_mbuf, pkt_len),
	DPDK_SYS_MBUF_NB_SEGS = offsetof(struct rte_mbuf, nb_segs),
	DPDK_SYS_MBUF_NEXT = offsetof(struct rte_mbuf, next),
};

/* struct rte_eth_link became a union in 24.11; this is what both say. */
struct dpdk_sys_link {
	uint32_t speed_mbps;
	uint8_t up;
	uint8_t full_duplex;
};

/* rte_errno is a thread-local behind a macro. */
static inline int dpdk_sys_errno(void)
{
	return rte_errno;
}

/* Before a call that sets rte_errno for some of its failures only. */
static inline void dpdk_sys_clear_errno(void)
{
	rte_errno = 0;
}

/* rte_eth_link_get_nowait() without its version-specific struct. */
static inline int dpdk_sys_link_get_nowait(uint16_t port, struct dpdk_sys_link *link)
{
	struct rte_eth_link from = { 0 };
	int rc = rte_eth_link_get_nowait(port, &from);

	link->speed_mbps = from.link_speed;
	link->up = from.link_status;
	link->full_duplex = from.link_duplex;
	return rc;
}

/*
 * Sends DPDK's log, from now on and for the life of the process, to write(context, text, length),
 * one call a message; from any thread. Returns 0, or -1 when memory is short.
 */
static inline int dpdk_sys_log_to(void *context,
		ssize_t (*write)(void *context, const char *text, size_t length))
{
	FILE *stream = fopencookie(context, "w", (cookie_io_functions_t){ .write = write });

	return stream == NULL ? -1 : rte_openlog_stream(stream);
}
