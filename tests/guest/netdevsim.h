/* What tests can make of a simulated NIC: a table of flower filters that is full, slow or broken, and a VF
 * whose address, VLAN and trust cannot be set. `netdevsim` includes this in the driver's netdev.c.
 *
 * The parameters are in /sys/module/netdevsim/parameters. All of it runs under the RTNL.
 */
#include <linux/delay.h>
#include <linux/moduleparam.h>

#define VSWSUP_TABLE 64

static unsigned long vswsup_table[VSWSUP_TABLE];
static uint vswsup_used;

static uint vswsup_room = VSWSUP_TABLE;
static uint vswsup_error;
static uint vswsup_delay;
static int vswsup_refuse_vf = -1;

module_param_named(flower_used, vswsup_used, uint, 0444);
MODULE_PARM_DESC(flower_used, "filters in the table");
module_param_named(flower_room, vswsup_room, uint, 0644);
MODULE_PARM_DESC(flower_room, "filters that fit into the table");
module_param_named(flower_error, vswsup_error, uint, 0644);
MODULE_PARM_DESC(flower_error, "errno that is the answer to each new filter; 0: none");
module_param_named(flower_delay, vswsup_delay, uint, 0644);
MODULE_PARM_DESC(flower_delay, "milliseconds that each new filter takes");
module_param_named(refuse_vf, vswsup_refuse_vf, int, 0644);
MODULE_PARM_DESC(refuse_vf, "number of the VF whose address, VLAN and trust cannot be set; -1: none");

static int vswsup_put(struct netdevsim *ns, struct flow_cls_offload *rule)
{
	uint i;

	if (!tc_cls_can_offload_and_chain0(ns->netdev, &rule->common))
		return -EOPNOTSUPP;
	msleep(vswsup_delay);
	if (vswsup_error)
		return -(int)vswsup_error;
	if (vswsup_used >= vswsup_room)
		return -ENOSPC;
	for (i = 0; i < VSWSUP_TABLE; i++) {
		if (!vswsup_table[i]) {
			vswsup_table[i] = rule->cookie;
			vswsup_used++;
			return 0;
		}
	}
	return -ENOSPC;
}

/* The kernel also removes what was never taken. */
static int vswsup_remove(struct flow_cls_offload *rule)
{
	uint i;

	for (i = 0; i < VSWSUP_TABLE; i++) {
		if (vswsup_table[i] == rule->cookie) {
			vswsup_table[i] = 0;
			vswsup_used--;
		}
	}
	return 0;
}

static int vswsup_setup_tc_block_cb(enum tc_setup_type type, void *type_data, void *cb_priv)
{
	struct flow_cls_offload *rule = type_data;

	if (type != TC_SETUP_CLSFLOWER)
		return nsim_bpf_setup_tc_block_cb(type, type_data, cb_priv);
	switch (rule->command) {
	case FLOW_CLS_REPLACE:
		return vswsup_put(cb_priv, rule);
	case FLOW_CLS_DESTROY:
		return vswsup_remove(rule);
	case FLOW_CLS_STATS:
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}
