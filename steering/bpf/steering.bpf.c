/*
 * The software NIC of the `ebpf` backend: two programs for tc (clsact, ingress, direct action).
 *
 *   wire -> nic: steer_nic  -> the port of the side that the map names
 *   port a or b: steer_port -> nic -> wire
 *
 * Every packet ends here: it is redirected or dropped, never passed on to the host's network stack.
 * Helper numbers and TC_ACT values: linux/bpf.h and linux/pkt_cls.h.
 */

typedef unsigned int u32;
typedef unsigned long long u64;

#define SECTION(name) __attribute__((section(name), used))

static void *(*const map_lookup_elem)(const void *map, const void *key) = (void *)1;
static long (*const redirect)(u32 ifindex, u64 flags) = (void *)23;

enum { BPF_MAP_TYPE_ARRAY = 2 };
enum { TC_ACT_SHOT = 2 };

/* Entries of the map; src/ebpf/program.rs has the same list. */
enum { ENTRY_SIDE, ENTRY_PORT_A, ENTRY_PORT_B, ENTRIES };

struct {
	u32 type, key_size, value_size, max_entries, map_flags;
} vswsup_steer SECTION("maps") = {
	.type = BPF_MAP_TYPE_ARRAY,
	.key_size = sizeof(u32),
	.value_size = sizeof(u32),
	.max_entries = ENTRIES,
};

/* Set by the loader before the programs are loaded. */
const volatile u32 nic_ifindex = 0;

/*
 * The side is read once: a packet meets the old side or the new one. It is 0 (nowhere), ENTRY_PORT_A
 * or ENTRY_PORT_B, so only its lowest byte ever changes and no CPU can see half of a change.
 */
SECTION("classifier") int vswsup_nic(void *skb)
{
	u32 key = ENTRY_SIDE;
	const volatile u32 *side = map_lookup_elem(&vswsup_steer, &key);
	const u32 *port;

	(void)skb;
	if (!side)
		return TC_ACT_SHOT;
	key = *side;
	if (key != ENTRY_PORT_A && key != ENTRY_PORT_B)
		return TC_ACT_SHOT;
	port = map_lookup_elem(&vswsup_steer, &key);
	if (!port)
		return TC_ACT_SHOT;
	return redirect(*port, 0);
}

SECTION("classifier") int vswsup_port(void *skb)
{
	(void)skb;
	return redirect(nic_ifindex, 0);
}

/* Neither helper is reserved for GPL programs. */
const char licence[] SECTION("license") = "Dual MIT/GPL";
