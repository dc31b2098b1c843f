/*
 * gapping ADDRESS INTERVAL_US: sends ICMP echo requests at a fixed interval until SIGTERM or SIGINT,
 * waits LINGER_NS for late replies and prints one line of JSON:
 *
 *   sent, received, doubled   requests and replies; received counts each request once
 *   refused                   requests that the own kernel did not take (not among the sent)
 *   longest_gap_us            longest time without a reply, from the first request to the signal
 *   longest_stall_us          longest time by which this program itself was late to send
 *   longest_round_trip_us
 *
 * All times are CLOCK_MONOTONIC of the machine that it runs on. Needs CAP_NET_RAW.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/icmp.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS 1000000000LL
#define LINGER_NS (3 * SECOND_NS)
#define RECEIVE_BUFFER (8 << 20) /* replies of seconds: a machine that stands still loses none */
#define MAX_REQUESTS (1u << 22) /* more than two hours at 2 ms */

struct request {
	struct icmphdr header;
	uint32_t number;
	uint32_t unused;
	int64_t sent_ns;
};

struct tally {
	uint32_t sent, received, doubled, refused;
	int64_t longest_gap_ns, longest_stall_ns, longest_round_trip_ns;
	int64_t last_reply_ns;
};

static volatile sig_atomic_t stopped;
static uint8_t seen[MAX_REQUESTS];

static void stop(int signal_number)
{
	(void)signal_number;
	stopped = 1;
}

static int64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * SECOND_NS + t.tv_nsec;
}

static void keep_longest(int64_t *longest, int64_t value)
{
	if (value > *longest)
		*longest = value;
}

static void fail(const char *what)
{
	fprintf(stderr, "gapping: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint16_t checksum(const void *data, size_t length)
{
	uint32_t sum = 0;
	for (size_t i = 0; i < length; i += 2) {
		uint16_t word;
		memcpy(&word, (const char *)data + i, 2);
		sum += word;
	}
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static void send_request(int fd, uint16_t id, struct tally *tally)
{
	struct request request = { .number = tally->sent, .sent_ns = now_ns() };
	request.header.type = ICMP_ECHO;
	request.header.un.echo.id = id;
	request.header.un.echo.sequence = htons(tally->sent & 0xffff);
	request.header.checksum = checksum(&request, sizeof request);
	if (send(fd, &request, sizeof request, MSG_DONTWAIT) == sizeof request)
		tally->sent++;
	else
		tally->refused++;
}

static void take_reply(const struct request *reply, struct tally *tally)
{
	int64_t now = now_ns();
	if (reply->number >= tally->sent)
		return;
	if (seen[reply->number]++) {
		tally->doubled++;
		return;
	}
	tally->received++;
	keep_longest(&tally->longest_gap_ns, now - tally->last_reply_ns);
	keep_longest(&tally->longest_round_trip_ns, now - reply->sent_ns);
	tally->last_reply_ns = now;
}

static void take_replies(int fd, uint16_t id, struct tally *tally)
{
	char packet[2048];
	ssize_t length;
	while ((length = recv(fd, packet, sizeof packet, MSG_DONTWAIT)) > 0) {
		size_t ip_length = (packet[0] & 15) * 4;
		struct request reply;
		if ((size_t)length < ip_length + sizeof reply)
			continue;
		memcpy(&reply, packet + ip_length, sizeof reply);
		if (reply.header.type == ICMP_ECHOREPLY && reply.header.un.echo.id == id)
			take_reply(&reply, tally);
	}
}

static void wait_until(int fd, int64_t deadline)
{
	int64_t left = deadline - now_ns();
	if (left <= 0)
		return;
	struct timespec timeout = { left / SECOND_NS, left % SECOND_NS };
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	ppoll(&poll_fd, 1, &timeout, NULL);
}

static int open_socket(const char *address)
{
	struct sockaddr_in peer = { .sin_family = AF_INET };
	struct icmp_filter only_replies = { ~(1u << ICMP_ECHOREPLY) };
	if (inet_pton(AF_INET, address, &peer.sin_addr) != 1) {
		fprintf(stderr, "gapping: %s is not an IPv4 address\n", address);
		exit(2);
	}
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
	if (fd < 0)
		fail("raw socket");
	setsockopt(fd, SOL_RAW, ICMP_FILTER, &only_replies, sizeof only_replies);
	int size = RECEIVE_BUFFER;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
	if (connect(fd, (struct sockaddr *)&peer, sizeof peer) < 0)
		fail("connect");
	return fd;
}

static void stream(int fd, uint16_t id, int64_t interval_ns, struct tally *tally)
{
	int64_t next = now_ns();
	tally->last_reply_ns = next;
	while (!stopped && tally->sent < MAX_REQUESTS) {
		wait_until(fd, next);
		take_replies(fd, id, tally);
		int64_t now = now_ns();
		if (now < next)
			continue;
		keep_longest(&tally->longest_stall_ns, now - next);
		send_request(fd, id, tally);
		next = now - next < interval_ns ? next + interval_ns : now + interval_ns;
	}
	keep_longest(&tally->longest_gap_ns, now_ns() - tally->last_reply_ns);
}

static void linger(int fd, uint16_t id, struct tally *tally)
{
	int64_t gap = tally->longest_gap_ns;
	int64_t deadline = now_ns() + LINGER_NS;
	while (tally->received < tally->sent && now_ns() < deadline) {
		wait_until(fd, deadline);
		take_replies(fd, id, tally);
	}
	tally->longest_gap_ns = gap;
}

int main(int argc, char **argv)
{
	int64_t interval_us = argc == 3 ? atoll(argv[2]) : 0;
	if (interval_us < 100 || interval_us > 10000000) {
		fprintf(stderr, "usage: gapping ADDRESS INTERVAL_US (100 to 10000000)\n");
		return 2;
	}
	struct tally tally = { 0 };
	uint16_t id = getpid() & 0xffff;
	int fd = open_socket(argv[1]);
	signal(SIGTERM, stop);
	signal(SIGINT, stop);
	mlockall(MCL_CURRENT | MCL_FUTURE); /* best effort: fewer stalls of our own */
	stream(fd, id, interval_us * 1000, &tally);
	linger(fd, id, &tally);
	printf("{\"sent\":%u,\"received\":%u,\"doubled\":%u,\"refused\":%u,\"longest_gap_us\":%lld,"
	       "\"longest_stall_us\":%lld,\"longest_round_trip_us\":%lld}\n",
	       tally.sent, tally.received, tally.doubled, tally.refused,
	       (long long)tally.longest_gap_ns / 1000, (long long)tally.longest_stall_ns / 1000,
	       (long long)tally.longest_round_trip_ns / 1000);
	return 0;
}
