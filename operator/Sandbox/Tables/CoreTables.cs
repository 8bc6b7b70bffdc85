using System.Globalization;
using System.Text.Json.Nodes;
using static Bursar.Sandbox.Tables.Cells;
using static Bursar.Sandbox.Tables.TableLayout;

namespace Bursar.Sandbox.Tables;

/// <summary>Tables of nodes, namespaces, services, configuration, events and leases.</summary>
internal static class CoreTables
{
    private const string RoleLabel = "node-role.kubernetes.io/";

    public static TableLayout Namespace { get; } =
        new([NameColumn, Column("Status", "Active, or Terminating while its objects go."), AgeColumn], (o, now) =>
            [Name(o), o.Text("status", "phase"), Age(o, now)]
        );

    public static TableLayout Node { get; } =
        new(
            [
                NameColumn,
                Column("Status", "Whether the node is ready and takes pods."),
                Column("Roles", "The node's roles, by its labels."),
                AgeColumn,
                Column("Version", "The kubelet's version."),
                Wide("Internal-IP", "The node's address in the cluster."),
                Wide("External-IP", "The node's address outside."),
                Wide("OS-Image", "The node's operating system."),
                Wide("Kernel-Version", "The node's kernel."),
                Wide("Container-Runtime", "What runs the node's containers."),
            ],
            (o, now) =>
                [
                    Name(o),
                    NodeStatus(o),
                    Roles(o),
                    Age(o, now),
                    o.Text("status", "nodeInfo", "kubeletVersion"),
                    Address(o, "InternalIP"),
                    Address(o, "ExternalIP"),
                    o.Text("status", "nodeInfo", "osImage").Or(Unknown),
                    Kernel(o),
                    o.Text("status", "nodeInfo", "containerRuntimeVersion").Or(Unknown),
                ]
        );

    public static TableLayout Service { get; } =
        new(
            [
                NameColumn,
                Column("Type", "How the service is reached."),
                Column("Cluster-IP", "Its address in the cluster."),
                Column("External-IP", "Its addresses outside."),
                Column("Port(s)", "Its ports."),
                AgeColumn,
                Wide("Selector", "Labels of the pods behind it."),
            ],
            (o, now) =>
                [
                    Name(o),
                    o.Text("spec", "type"),
                    (o.List("spec", "clusterIPs") is { Count: > 0 } ips ? ips[0].Text() : o.Text("spec", "clusterIP")).Or(None),
                    External(o),
                    Ports(o),
                    Age(o, now),
                    Labels(o.At("spec", "selector")),
                ]
        );

    public static TableLayout EndpointSlice { get; } =
        new(
            [
                NameColumn,
                Column("AddressType", "What kind of addresses it holds."),
                Column("Ports", "The ports of the addresses."),
                Column("Endpoints", "The first addresses."),
                AgeColumn,
            ],
            (o, now) =>
                [
                    Name(o),
                    o.Text("addressType"),
                    More([.. o.List("ports").Select(p => p.Text("port").Or(p.Text("name").Or("*")))], "<unset>"),
                    More([.. o.List("endpoints").SelectMany(e => e.List("addresses")).Select(a => a.Text())], "<unset>"),
                    Age(o, now),
                ]
        );

    public static TableLayout ConfigMap { get; } =
        new([NameColumn, Column("Data", "How many entries it holds."), AgeColumn], (o, now) =>
            [Name(o), o.Count("data") + o.Count("binaryData"), Age(o, now)]
        );

    public static TableLayout Secret { get; } =
        new([NameColumn, Column("Type", "What the secret is for."), Column("Data", "How many entries it holds."), AgeColumn], (o, now) =>
            [Name(o), o.Text("type"), o.Count("data"), Age(o, now)]
        );

    public static TableLayout ServiceAccount { get; } = new([NameColumn, AgeColumn], (o, now) => [Name(o), Age(o, now)]);

    public static TableLayout Lease { get; } =
        new([NameColumn, Column("Holder", "Who holds the lease."), AgeColumn], (o, now) =>
            [Name(o), o.Text("spec", "holderIdentity"), Age(o, now)]
        );

    /// <summary>Events of both groups, which have different field names.</summary>
    public static TableLayout Event { get; } =
        new(
            [
                Column("Last Seen", "How long ago it was last seen."),
                Column("Type", "Normal or Warning."),
                Column("Reason", "Why it was written, in one word."),
                Column("Object", "What it is about."),
                Wide("Subobject", "The part of the object it is about."),
                Wide("Source", "Who wrote it."),
                Column("Message", "What happened."),
                Wide("First Seen", "How long ago it was first seen."),
                Wide("Count", "How often it was seen."),
                NameColumn with
                {
                    Priority = 1,
                },
            ],
            (o, now) =>
            {
                var about = o.At("involvedObject") ?? o.At("regarding");
                var (first, last, count) = Seen(o);
                return
                [
                    Age(last, now),
                    o.Text("type"),
                    o.Text("reason"),
                    $"{about.Text("kind").ToLowerInvariant()}/{about.Text("name")}",
                    about.Text("fieldPath"),
                    Source(o),
                    (o.At("message") ?? o.At("note")).Text().Trim(),
                    Age(first, now),
                    count,
                    Name(o),
                ];
            }
        );

    public static TableLayout PriorityClass { get; } =
        new(
            [
                NameColumn,
                Column("Value", "The priority that pods of this class get.", "integer"),
                Column("Global-Default", "Whether pods without a class get it.", "boolean"),
                AgeColumn,
                Column("PreemptionPolicy", "Whether its pods may displace others."),
            ],
            (o, now) =>
                [Name(o), o.Number("value"), o.Is("globalDefault"), Age(o, now), o.Text("preemptionPolicy").Or("PreemptLowerPriority")]
        );

    private static string NodeStatus(JsonObject node)
    {
        var status = Condition(node, "Ready") is { } ready
            ? ready.Text("status") == "True"
                ? "Ready"
                : "NotReady"
            : "Unknown";
        return node.Is("spec", "unschedulable") ? status + ",SchedulingDisabled" : status;
    }

    private static string Kernel(JsonObject node)
    {
        var kernel = node.Text("status", "nodeInfo", "kernelVersion").Or(Unknown);
        return node.Text("status", "nodeInfo", "architecture") is { Length: > 0 } architecture ? $"{kernel} ({architecture})" : kernel;
    }

    private static string Roles(JsonObject node)
    {
        var roles = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var (label, value) in node.At("metadata", "labels") as JsonObject ?? [])
        {
            if (label.StartsWith(RoleLabel, StringComparison.Ordinal) && label.Length > RoleLabel.Length)
            {
                roles.Add(label[RoleLabel.Length..]);
            }
            else if (label == "kubernetes.io/role" && value.Text().Length > 0)
            {
                roles.Add(value.Text());
            }
        }

        return roles.Count == 0 ? None : string.Join(',', roles);
    }

    private static string Address(JsonObject node, string type) =>
        node.List("status", "addresses").FirstOrDefault(a => a.Text("type") == type) is { } address ? address.Text("address") : None;

    private static string External(JsonObject service)
    {
        var listed = string.Join(',', service.List("spec", "externalIPs").Select(i => i.Text()));
        switch (service.Text("spec", "type"))
        {
            case "ExternalName":
                return service.Text("spec", "externalName");
            case "LoadBalancer":
                var given = string.Join(
                    ',',
                    service.List("status", "loadBalancer", "ingress").Select(i => i.Text("ip").Or(i.Text("hostname")))
                );
                return (given.Length > 0 && listed.Length > 0 ? $"{given},{listed}" : given + listed).Or("<pending>");
            default:
                return listed.Or(None);
        }
    }

    private static string Ports(JsonObject service)
    {
        var ports = service
            .List("spec", "ports")
            .Select(p =>
            {
                var node = p.Number("nodePort") is var number and > 0 ? ":" + Plain(number) : "";
                return $"{p.Text("port")}{node}/{p.Text("protocol").Or("TCP")}";
            });
        return string.Join(',', ports).Or(None);
    }

    private static string More(IReadOnlyList<string> values, string whenEmpty)
    {
        const int shown = 3;
        if (values.Count == 0)
        {
            return whenEmpty;
        }

        return values.Count > shown
            ? string.Create(CultureInfo.InvariantCulture, $"{string.Join(',', values.Take(shown))} + {values.Count - shown} more...")
            : string.Join(',', values);
    }

    private static (JsonNode? First, JsonNode? Last, long Count) Seen(JsonObject source)
    {
        var first = source.At("firstTimestamp") ?? source.At("deprecatedFirstTimestamp") ?? source.At("eventTime");
        if (source.At("series") is { } series)
        {
            return (first, series.At("lastObservedTime"), series.Number("count"));
        }

        var count = Math.Max(source.Number("count"), source.Number("deprecatedCount"));
        return (first, source.At("lastTimestamp") ?? source.At("deprecatedLastTimestamp") ?? first, count == 0 ? 1 : count);
    }

    private static string Source(JsonObject source)
    {
        var old = source.At("source") ?? source.At("deprecatedSource");
        var component = old.Text("component").Or(source.Text("reportingComponent").Or(source.Text("reportingController")));
        var host = old.Text("host").Or(source.Text("reportingInstance"));
        return host.Length == 0 ? component : $"{component}, {host}";
    }
}
