#include "proxy/config/flags.hpp"

#include <algorithm>
#include <array>

namespace proxy::config {
namespace {

using enum FlagType;

template <class... Commands>
constexpr std::uint16_t of(Commands... commands) {
  return static_cast<std::uint16_t>((static_cast<unsigned>(commands) | ...));
}
constexpr auto kRunAndCheck = of(Command::run, Command::check);
constexpr auto kAsking = of(Command::status, Command::explain, Command::env, Command::config);
constexpr auto kRunAndAsking =
    of(Command::run, Command::dns, Command::status, Command::explain, Command::env);
constexpr auto kExplain = of(Command::explain);
constexpr std::uint16_t kEvery = 0xffff;

constexpr std::string_view kNoProtobuf = "records are read as JSON";
constexpr std::string_view kFewRequests =
    "a few long watches need no limit; servers that are busy are obeyed";
constexpr std::string_view kLogsDirectly = "every log line goes to standard error as it happens";

constexpr Flag kFlags[] = {
    // Ours.
    {"manifests", path, "",
     "Folder or file of Kubernetes manifests to read records from, - for standard input", "",
     kRunAndCheck},
    {"kubeconfig", path, "",
     "How to reach the Kubernetes API; without it and --master the service account of the pod"},
    {"master", text, "",
     "Address of the Kubernetes API, overrides the kubeconfig's; of several, joined by commas, the "
     "next is tried when one is dead"},
    {"endpoint-source", text, "endpointslices",
     "What says where a service's endpoints are: endpointslices, or endpoints, the older kind"},
    {"state-file", path, "/var/lib/viaduct/records.state",
     "Where the last records of the API are kept, for a start while it is away; empty for nowhere"},
    {"admin-socket", path, "/run/viaduct/admin.sock",
     "Unix socket that answers questions about the running daemon, empty for none", "",
     kRunAndAsking},
    {"take-over", boolean, "false",
     "Take the place of the daemon that answers on --admin-socket: it goes on until this one knows "
     "all records, and is then told to end"},

    {"output", text, "table", "Form of the answer, table or json, of env dotenv too; also -o", "",
     kAsking},
    {"limit", integer, "100", "How many service ports status shows, 1000 at most", "",
     of(Command::status)},
    {"from", text, "", "Who sends the packet that is to be explained, an IP address", "", kExplain},

    // What to forward, and how.
    {"proxy-mode", text, "", "How to forward: iptables (also when empty), ipvs, userspace or none"},
    {"userspace-listen", text, "steered",
     "How the userspace mode gets connections: steered (by nf_tables) or direct (it listens on "
     "VIPs "
     "that are addresses of this machine, without privileges)"},
    {"userspace-transparent", boolean, "false",
     "Endpoints see the client's address where kernel modes would keep it (userspace mode)"},
    {"userspace-balance", text, "round-robin",
     "How the userspace mode chooses endpoints: round-robin or least-connections; a Service's "
     "annotation viaduct.io/balance comes first"},
    {"userspace-workers", integer, "0", "Threads of the userspace mode; 0: one for each CPU"},
    {"userspace-udp-timeout", duration, "1m0s", "Time-out of idle UDP flows (userspace mode)"},
    {"userspace-drain-timeout", duration, "30s",
     "How long open connections may go on when the end was asked for (userspace mode)"},
    {"hostname-override", text, "", "Name of this node; without it the host's name in lower case",
     "", kRunAndCheck},
    {"bind-address", ip, "0.0.0.0",
     "This node's primary address, which says its primary family; nothing listens on it"},
    {"iptables-masquerade-bit", integer, "14",
     "Bit of the packet mark, 0 to 31, that asks for masquerading"},
    {"masquerade-all", boolean, "false", "Masquerade all traffic to cluster IPs"},
    {"iptables-localhost-nodeports", boolean, "true",
     "Let node ports be used through 127.0.0.0/8 (IPv4, iptables mode)"},
    {"iptables-sync-period", duration, "30s",
     "How often what is in the kernel is compared with what should be"},
    {"iptables-min-sync-period", duration, "1s",
     "Longest time that a change may be held back while syncs are costly; 0 holds nothing back"},
    {"proxy-mode-fallback", text, "",
     "What to do where the kernel has no IPVS: end (when empty), or forward by iptables"},
    {"ipvs-sync-period", duration, "30s", "As --iptables-sync-period, for ipvs"},
    {"ipvs-min-sync-period", duration, "1s", "As --iptables-min-sync-period, for ipvs"},
    {"ipvs-scheduler", text, "",
     "Scheduler of virtual servers, rr when empty: rr, wrr, lc, wlc, lblc, lblcr, dh, sh, sed, nq, "
     "fo, ovf, mh, twos; flags of sh and mh behind it, as mh,mh-port. A service chooses its own by "
     "the annotation viaduct.io/ipvs-scheduler"},
    {"ipvs-exclude-cidrs", list, "", "Virtual servers at these addresses are left to others"},
    {"ipvs-strict-arp", boolean, "false",
     "Answer ARP only for addresses of the link that was asked (arp_ignore 1, arp_announce 2)"},
    {"ipvs-tcp-timeout", duration, "0s",
     "Time-out of idle TCP connections in IPVS; 0 leaves the kernel's"},
    {"ipvs-tcpfin-timeout", duration, "0s",
     "Time-out of TCP connections after FIN in IPVS; 0 leaves the kernel's"},
    {"ipvs-udp-timeout", duration, "0s", "Time-out of UDP flows in IPVS; 0 leaves the kernel's"},
    {"ipvs-drain-limit", duration, "24h0m0s",
     "How long TCP connections to an endpoint that has left may go on in IPVS; 0: for ever"},
    {"detect-local-mode", text, "",
     "How traffic of this node's pods is told apart: ClusterCIDR (also when empty), NodeCIDR, "
     "BridgeInterface, InterfaceNamePrefix"},
    {"cluster-cidr", text, "",
     "Range of the pods' addresses; for two families a range of each, joined by a comma"},
    {"pod-bridge-interface", text, "", "The bridge that --detect-local-mode=BridgeInterface means"},
    {"pod-interface-name-prefix", text, "",
     "The beginning of names that --detect-local-mode=InterfaceNamePrefix means"},
    {"nodeport-addresses", list, "",
     "CIDRs of the node's addresses that node ports are served on, or primary, localhost, all; "
     "empty: all but ::1",
     "", kRunAndCheck},

    // Connection tracking of the node.
    {"conntrack-max-per-core", integer, "32768",
     "Connections to track per CPU; 0 leaves the limit alone and ignores --conntrack-min"},
    {"conntrack-min", integer, "131072", "Connections to track at least"},
    {"conntrack-tcp-timeout-established", duration, "24h0m0s",
     "Time-out of idle TCP connections; 0 leaves it alone"},
    {"conntrack-tcp-timeout-close-wait", duration, "1h0m0s",
     "Time-out of TCP connections in CLOSE_WAIT; 0 leaves it alone"},
    {"conntrack-tcp-be-liberal", boolean, "false",
     "Accept TCP segments outside the window (nf_conntrack_tcp_be_liberal)"},
    {"conntrack-udp-timeout", duration, "0s",
     "Time-out of unanswered UDP flows; 0 leaves it alone"},
    {"conntrack-udp-timeout-stream", duration, "0s",
     "Time-out of answered UDP flows; 0 leaves it alone"},

    // The cluster's DNS.
    {"dns-bind-address", list, "",
     "Where DNS is served, IP:port or IP, several joined by commas; empty for no DNS server"},
    {"dns-node-local", list, "",
     "Addresses that are made this node's own and served as well, usually that of the cluster's "
     "DNS "
     "service: queries stay on the node and are not tracked. Needs CAP_NET_ADMIN"},
    {"cluster-domain", text, "cluster.local", "The domain of the cluster's names"},
    {"dns-upstream", list, "",
     "Who is asked for all other names: ADDR[:PORT] or tls://ADDR[:PORT][#NAME], several joined by "
     "commas; none refuses such names; without it the name servers of --dns-resolv-conf"},
    {"dns-stub-domain", list, "",
     "DOMAIN=ADDR: who is asked for names of one domain; may be given several times"},
    {"dns-resolv-conf", path, "/etc/resolv.conf",
     "The host's resolver configuration: its name servers, and its search list for autopath"},
    {"dns-cache", boolean, "true", "Keep answers of upstreams"},
    {"dns-ttl", integer, "5", "Seconds that the cluster's records may be kept, 0 to 3600"},
    {"dns-pod-records", text, "insecure",
     "Names of pods by their address: disabled, insecure (any address) or verified"},
    {"dns-short-names", boolean, "true",
     "Answer service.namespace and service.namespace.svc as written where the service exists"},
    {"dns-autopath", boolean, "false",
     "Answer a pod's first search question with what its search list leads to in the end"},
    {"dns-ignore-empty-service", boolean, "false",
     "Deny names of services without ready endpoints"},
    {"dns-endpoint-pod-names", boolean, "false",
     "Name endpoints without hostname by their pod instead of their address"},
    {"dns-namespaces", list, "", "Serve only these namespaces; empty for all"},
    {"dns-allow", list, "", "CIDRs of clients that are answered; empty for all"},
    {"dns-rate-limit", integer, "0",
     "UDP replies a second to one client network (/24, /56) by one worker; 0 for no limit"},
    {"dns-workers", integer, "0", "Threads that answer UDP; 0 for one on each CPU"},
    {"dns-log-queries", boolean, "false", "Log a line for each query"},

    // Health, metrics, log.
    {"healthz-bind-address", socket_address, "0.0.0.0:10256",
     "Where /healthz and /livez are served, empty for nowhere"},
    {"metrics-bind-address", socket_address, "127.0.0.1:10249",
     "Where /metrics and /proxyMode are served"},
    {"bind-address-hard-fail", boolean, "false",
     "End when an address cannot be listened on, rather than to try again every 5 s"},
    {"healthz-port", integer, "10256",
     "Deprecated, use --healthz-bind-address; 0 turns the server off"},
    {"metrics-port", integer, "10249",
     "Deprecated, use --metrics-bind-address; 0 turns the server off"},
    {"oom-score-adj", integer, "-999", "The process' oom_score_adj, -1000 to 1000"},
    {"v", integer, "0", "How much is logged, 0 to 10; also -v", "", kEvery},

    // One-shot forms.
    {"cleanup", boolean, "false", "As the command cleanup: remove what any mode wrote, and end"},
    {"init-only", boolean, "false", "Do what needs privileges (kernel settings), and end"},
    {"version", version, "false", "Print the version and end", "", kEvery},
    {"help", boolean, "false", "Print this and end; also -h", "", kEvery},

    // Configuration files.
    {"config", path, "",
     "KubeProxyConfiguration to read; kube-proxy's flags beside it have no effect, except those of "
     "the log and --hostname-override"},
    {"strict-config", boolean, "false", "Refuse a --config with fields that are not known"},
    {"write-config-to", path, "", "Write the configuration in effect to a file, and end"},

    // kube-proxy's, of no use here, or not yet.
    {"kube-api-content-type", text, "application/vnd.kubernetes.protobuf",
     "Content type asked of the API server", kNoProtobuf},
    {"kube-api-burst", integer, "10", "Burst of requests to the API server", kFewRequests},
    {"kube-api-qps", decimal, "5", "Requests a second to the API server", kFewRequests},
    {"config-sync-period", duration, "15m0s", "How often all records are read again",
     "changes are noticed when they happen, nothing is read on a timer"},
    {"feature-gates", map, "", "Feature gates of Kubernetes",
     "no behaviour of this version depends on a feature gate"},
    {"profiling", boolean, "false", "Serve Go's profiler",
     "there is no Go run-time to profile; perf works on the process"},
    {"show-hidden-metrics-for-version", text, "", "Show metrics that a version hid",
     "no metric is hidden"},
    {"logging-format", text, "text", "Form of log lines", "log lines are text"},
    {"log-flush-frequency", duration, "5s", "How often the log is flushed", kLogsDirectly},
    {"vmodule", list, "", "Verbosity by source file", "--v holds for all of the program"},
    {"log-text-split-stream", boolean, "false", "Send errors and the rest to two streams",
     kLogsDirectly},
    {"log-text-info-buffer-size", quantity, "0", "Buffer of the split streams", kLogsDirectly},
    {"log-json-split-stream", boolean, "false", "Send errors and the rest to two streams",
     kLogsDirectly},
    {"log-json-info-buffer-size", quantity, "0", "Buffer of the split streams", kLogsDirectly},
    {"boot-id-file", list, "/proc/sys/kernel/random/boot_id", "Where the boot ID stands",
     "the boot ID is not used"},
    {"machine-id-file", list, "/etc/machine-id,/var/lib/dbus/machine-id",
     "Where the machine ID stands", "the machine ID is not used"},
};

}  // namespace

std::span<const Flag> flags() {
  return kFlags;
}

const Flag* find_flag(std::string_view name) {
  const auto found = std::ranges::find(kFlags, name, &Flag::name);
  return found == std::end(kFlags) ? nullptr : found;
}

std::string_view to_string(FlagType type) {
  constexpr std::array<std::string_view, 12> kNames{"BOOL", "NUMBER", "NUMBER",   "DURATION",
                                                    "TEXT", "PATH",   "IP",       "IP:PORT",
                                                    "LIST", "MAP",    "QUANTITY", "BOOL|raw"};
  return kNames[static_cast<std::size_t>(type)];
}

}  // namespace proxy::config
