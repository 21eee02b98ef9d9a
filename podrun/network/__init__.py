"""The pod's network: a bridge, a veth pair and addresses for each pod, masquerade, hostPorts.

    attach      what the sandbox calls: claim_ports, attach, detach, restore, reset, in_use
    check       what this host offers, for ``podrun system check``
    layout      the configuration as typed values: bridge, table, ranges, names
    leases      which pod has which address            (files)
    claims      which pod has which hostPort           (files)
    ports       hostPorts bound on the host, and who has one that is taken
    bridge      the bridge, its gateway addresses, the host's routes
    sysctl      the kernel settings that this needs
    veth        one pod's pair, and what is inside its network namespace
    rules       the one nftables table, as text
    nft         libnftables
    foreign     the rules in Docker's firewall that let pods pass
    conntrack   UDP flows that must be forgotten when a hostPort changes hands
    procfs      who has a port, for an error message
    lock        one flock for all of this
    netlink     pyroute2: nobody else imports it

Everything is synchronous and made to run in a forked worker with one thread.
"""
