//! IP: IPv4 and IPv6, routes, neighbours, fragments, ICMP. (being built)
