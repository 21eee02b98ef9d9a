"""The three files of /etc a pod's containers share, as the kubelet writes them. Pure text."""

from __future__ import annotations

from podrun.sandbox.spec import Dns, HostAlias

#: limits of resolv.conf that the kubelet keeps to
MAX_NAMESERVERS, MAX_SEARCHES = 3, 32

_LOOPBACK = (
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    "fe00::0\tip6-localnet",
    "fe00::0\tip6-mcastprefix",
    "fe00::1\tip6-allnodes",
    "fe00::2\tip6-allrouters",
)


def hosts(
    ips: tuple[str, ...], hostname: str, aliases: tuple[HostAlias, ...], fqdn: str = ""
) -> str:
    """Of a pod with its own network; ``fqdn`` stands before the short name where there is one."""
    names = "\t".join(
        dict.fromkeys(
            name for name in (fqdn, hostname.partition(".")[0] if fqdn else hostname) if name
        )
    )
    lines = ["# Kubernetes-managed hosts file.", *_LOOPBACK]
    lines += [f"{ip}\t{names}" for ip in ips]
    return "\n".join(lines) + "\n" + _aliases(aliases)


def host_network_hosts(node_file: str, aliases: tuple[HostAlias, ...]) -> str:
    """Of a pod on the host's network: the node's own file below a header."""
    header = "# Kubernetes-managed hosts file (host network).\n"
    return header + node_file + _aliases(aliases)


def _aliases(aliases: tuple[HostAlias, ...]) -> str:
    if not aliases:
        return ""
    lines = ["", "# Entries added by HostAliases."]
    lines += ["\t".join((alias.ip, *alias.hostnames)) for alias in aliases]
    return "\n".join(lines) + "\n"


def resolv_conf(dns: Dns, host_file: str) -> str:
    """Order as the kubelet's: search, nameserver, options; merged, without duplicates."""
    nameservers, searches, options = parse_resolv_conf(host_file) if dns.from_host else ([], [], [])
    nameservers = _merged(nameservers, dns.nameservers)[:MAX_NAMESERVERS]
    searches = _merged(searches, dns.searches)[:MAX_SEARCHES]
    overridden = {option.partition(":")[0] for option in dns.options}
    kept = [option for option in options if option.partition(":")[0] not in overridden]
    options = _merged(kept, dns.options)
    lines = []
    if searches:
        lines.append("search " + " ".join(searches))
    lines += [f"nameserver {address}" for address in nameservers]
    if options:
        lines.append("options " + " ".join(options))
    return "".join(f"{line}\n" for line in lines)


def parse_resolv_conf(text: str) -> tuple[list[str], list[str], list[str]]:
    """(nameservers, search domains, options); of several search lines the last counts."""
    nameservers: list[str] = []
    searches: list[str] = []
    options: list[str] = []
    for line in text.splitlines():
        key, *values = line.split() or [""]
        if key == "nameserver" and values:
            nameservers.append(values[0])
        elif key in ("search", "domain"):
            searches = values
        elif key == "options":
            options += values
    return nameservers, searches, options


def _merged(first: list[str], second: tuple[str, ...]) -> list[str]:
    return list(dict.fromkeys([*first, *second]))
