"""hosts, hostname and resolv.conf, as the kubelet writes them (semantics §8)."""

from __future__ import annotations

from podrun.sandbox.etc_files import host_network_hosts, hosts, parse_resolv_conf, resolv_conf
from podrun.sandbox.spec import Dns, HostAlias

HOST = "nameserver 192.0.2.1\nsearch a.test b.test\noptions ndots:1 rotate\n"


def test_hosts_has_the_loopback_names_the_pods_addresses_and_the_aliases() -> None:
    text = hosts(("10.85.0.2", "fd85::2"), "web", (HostAlias("10.1.2.3", ("foo", "bar")),))
    assert text.startswith("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n")
    assert "\nfe00::2\tip6-allrouters\n10.85.0.2\tweb\nfd85::2\tweb\n" in text
    assert text.endswith("\n\n# Entries added by HostAliases.\n10.1.2.3\tfoo\tbar\n")


def test_hosts_on_the_hosts_network_is_the_nodes_own() -> None:
    text = host_network_hosts("127.0.0.1 localhost\n", ())
    assert text == "# Kubernetes-managed hosts file (host network).\n127.0.0.1 localhost\n"


def test_resolv_conf_of_the_host_in_the_kubelets_order() -> None:
    assert resolv_conf(Dns(), HOST) == (
        "search a.test b.test\nnameserver 192.0.2.1\noptions ndots:1 rotate\n"
    )


def test_dns_config_is_merged_without_duplicates_and_overrides_options() -> None:
    dns = Dns(
        nameservers=("192.0.2.1", "192.0.2.2"),
        searches=("b.test", "c.test"),
        options=("ndots:5", "edns0"),
    )
    assert resolv_conf(dns, HOST) == (
        "search a.test b.test c.test\n"
        "nameserver 192.0.2.1\nnameserver 192.0.2.2\n"
        "options rotate ndots:5 edns0\n"
    )


def test_policy_none_takes_nothing_of_the_host() -> None:
    dns = Dns(from_host=False, nameservers=("192.0.2.9",))
    assert resolv_conf(dns, HOST) == "nameserver 192.0.2.9\n"


def test_at_most_three_nameservers_and_thirty_two_searches() -> None:
    dns = Dns(
        from_host=False,
        nameservers=tuple(f"192.0.2.{n}" for n in range(5)),
        searches=tuple(f"s{n}.test" for n in range(40)),
    )
    servers, searches, _ = parse_resolv_conf(resolv_conf(dns, ""))
    assert (len(servers), len(searches)) == (3, 32)


def test_of_several_search_lines_the_last_counts_and_nonsense_is_passed_over() -> None:
    text = "search a\n\nnameserver\n# nameserver 1.1.1.1\nsearch b c\noptions\n"
    assert parse_resolv_conf(text) == ([], ["b", "c"], [])
