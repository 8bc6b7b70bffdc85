using System.Globalization;
using System.Text.Json.Nodes;

namespace Bursar.Sandbox.Nodes;

/// <summary>Creates Node objects like a kubelet with the NVIDIA device plugin.</summary>
internal static class NodeStatusWriter
{
    public static JsonObject Node(SimulatedNode node)
    {
        var labels = new JsonObject();
        foreach (var (key, value) in node.Fleet.AllLabels())
            labels[key] = value;
        return new JsonObject
        {
            ["apiVersion"] = "v1",
            ["kind"] = "Node",
            ["metadata"] = new JsonObject { ["name"] = node.Name, ["labels"] = labels },
            ["spec"] = new JsonObject(),
        };
    }

    public static JsonObject Status(SimulatedNode node, DateTimeOffset now)
    {
        return new JsonObject
        {
            ["capacity"] = Resources(node.Fleet),
            ["allocatable"] = Resources(node.Fleet),
            ["conditions"] = Conditions("False", "True", "KubeletReady", "kubelet is posting ready status", now, node.ReadySince),
            ["addresses"] = new JsonArray(
                new JsonObject { ["type"] = "InternalIP", ["address"] = node.Address.ToString() },
                new JsonObject { ["type"] = "Hostname", ["address"] = node.Name }
            ),
            ["nodeInfo"] = new JsonObject
            {
                ["architecture"] = "amd64",
                ["bootID"] = node.Name,
                ["containerRuntimeVersion"] = "simulated://1",
                ["kernelVersion"] = "simulated",
                ["kubeProxyVersion"] = "",
                ["kubeletVersion"] = "v1.36.0",
                ["machineID"] = node.Name,
                ["operatingSystem"] = "linux",
                ["osImage"] = "simulated",
                ["systemUUID"] = node.Name,
            },
        };
    }

    /// <summary>Returns the conditions that a node controller writes for an unreachable node.</summary>
    public static JsonArray LostConditions(DateTimeOffset lastHeard, DateTimeOffset now) =>
        Conditions("Unknown", "Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.", lastHeard, now);

    private static JsonArray Conditions(
        string pressure,
        string ready,
        string reason,
        string message,
        DateTimeOffset heard,
        DateTimeOffset changed
    )
    {
        JsonObject Condition(string type, string status, string why, string text) =>
            new()
            {
                ["type"] = type,
                ["status"] = status,
                ["reason"] = why,
                ["message"] = text,
                ["lastHeartbeatTime"] = KubeTime.Seconds(heard),
                ["lastTransitionTime"] = KubeTime.Seconds(changed),
            };
        var quiet = ready == "True";
        return new JsonArray(
            Condition(
                "MemoryPressure",
                pressure,
                quiet ? "KubeletHasSufficientMemory" : reason,
                quiet ? "kubelet has sufficient memory available" : message
            ),
            Condition(
                "DiskPressure",
                pressure,
                quiet ? "KubeletHasNoDiskPressure" : reason,
                quiet ? "kubelet has no disk pressure" : message
            ),
            Condition(
                "PIDPressure",
                pressure,
                quiet ? "KubeletHasSufficientPID" : reason,
                quiet ? "kubelet has sufficient PID available" : message
            ),
            Condition("Ready", ready, reason, message)
        );
    }

    private static JsonObject Resources(FleetNode fleet)
    {
        var resources = new JsonObject
        {
            ["cpu"] = fleet.CpuCores.ToString(CultureInfo.InvariantCulture),
            ["memory"] = $"{fleet.MemoryGiB}Gi",
            ["ephemeral-storage"] = "1Ti",
            ["pods"] = fleet.MaxPods.ToString(CultureInfo.InvariantCulture),
        };
        if (fleet.Gpus > 0)
            resources[NodeContainer.GpuResource] = fleet.Gpus.ToString(CultureInfo.InvariantCulture);
        return resources;
    }
}
