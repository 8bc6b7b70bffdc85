using System.Text.Json.Nodes;

namespace Bursar.Sandbox.Nodes;

/// <summary>Creates the status of a pod like a kubelet.</summary>
internal static class PodStatusWriter
{
    public static JsonObject Status(SimulatedPod pod, SimulatedNode node, DateTimeOffset now, bool mayBeReady)
    {
        var spec = pod.Pod.Spec;
        var ready = mayBeReady && pod.IsReady(now);
        var phase = !pod.IsOver
            ? pod.Started is null && pod.LastEnd is null
                ? "Pending"
                : "Running"
            : pod.LastEnd is { ExitCode: 0 }
                ? "Succeeded"
                : "Failed";
        var ran = pod.Started is not null || pod.LastEnd is not null;
        var status = new JsonObject
        {
            ["phase"] = phase,
            ["startTime"] = KubeTime.Seconds(pod.Admitted),
            ["hostIP"] = node.Address.ToString(),
            ["hostIPs"] = new JsonArray(new JsonObject { ["ip"] = node.Address.ToString() }),
            ["podIP"] = pod.Address.ToString(),
            ["podIPs"] = new JsonArray(new JsonObject { ["ip"] = pod.Address.ToString() }),
            ["conditions"] = Conditions(pod, ran, ready, now),
        };
        var containers = new JsonArray();
        foreach (var container in spec.Containers)
            containers.Add((JsonNode)Container(pod, container, ready));
        status["containerStatuses"] = containers;
        if (spec.InitContainers.Count > 0)
        {
            var init = new JsonArray();
            foreach (var container in spec.InitContainers)
                init.Add(
                    (JsonNode)(container.RestartPolicy == "Always" ? Container(pod, container, ready) : InitContainer(pod, container, ran))
                );
            status["initContainerStatuses"] = init;
        }

        return status;
    }

    /// <summary>Returns the status of a pod that the kubelet rejects.</summary>
    public static JsonObject Refused(string reason, string message, DateTimeOffset now) =>
        new()
        {
            ["phase"] = "Failed",
            ["reason"] = reason,
            ["message"] = message,
            ["startTime"] = KubeTime.Seconds(now),
        };

    private static JsonArray Conditions(SimulatedPod pod, bool ran, bool ready, DateTimeOffset now)
    {
        var readyChanged = ready ? pod.Ready(pod.Started!.Value) : pod.TermAt ?? pod.LastEnd?.Finished ?? pod.Admitted;
        if (readyChanged > now)
            readyChanged = now;
        var reason =
            ready ? null
            : pod.IsOver ? (pod.LastEnd is { ExitCode: 0 } ? "PodCompleted" : "PodFailed")
            : "ContainersNotReady";
        return new JsonArray(
            Condition("PodReadyToStartContainers", !pod.IsOver, null, pod.IsOver ? pod.LastEnd!.Finished : pod.Admitted),
            Condition("Initialized", ran, ran ? null : "ContainersNotInitialized", ran ? FirstStart(pod) : pod.Admitted),
            Condition("Ready", ready, reason, readyChanged),
            Condition("ContainersReady", ready, reason, readyChanged),
            Condition("PodScheduled", true, null, Scheduled(pod))
        );
    }

    private static DateTimeOffset FirstStart(SimulatedPod pod) => pod.Started ?? pod.LastEnd?.Started ?? pod.Admitted;

    private static DateTimeOffset Scheduled(SimulatedPod pod) =>
        pod.Pod.Status.Conditions.FirstOrDefault(static c => c is { Type: "PodScheduled", Status: "True" })?.LastTransitionTime
        ?? pod.Admitted;

    private static JsonObject Condition(string type, bool status, string? reason, DateTimeOffset changed)
    {
        var condition = new JsonObject
        {
            ["type"] = type,
            ["status"] = status ? "True" : "False",
            ["lastProbeTime"] = null,
            ["lastTransitionTime"] = KubeTime.Seconds(changed),
        };
        if (reason is not null)
            condition["reason"] = reason;
        return condition;
    }

    private static JsonObject Container(SimulatedPod pod, NodeContainer container, bool ready)
    {
        var status = Described(container);
        status["ready"] = ready;
        status["started"] = pod.Started is not null;
        status["restartCount"] = pod.Restarts;
        status["state"] =
            pod.Started is { } started ? new JsonObject { ["running"] = new JsonObject { ["startedAt"] = KubeTime.Seconds(started) } }
            : pod.IsOver && pod.LastEnd is { } end ? Terminated(end)
            : new JsonObject
            {
                ["waiting"] = new JsonObject { ["reason"] = pod.LastEnd is null ? "ContainerCreating" : "CrashLoopBackOff" },
            };
        if (!pod.IsOver && pod.LastEnd is { } last)
            status["lastState"] = Terminated(last);
        return status;
    }

    private static JsonObject InitContainer(SimulatedPod pod, NodeContainer container, bool ran)
    {
        var status = Described(container);
        status["ready"] = ran;
        status["restartCount"] = 0;
        status["state"] = ran
            ? Terminated(new ContainerEnd(FirstStart(pod), FirstStart(pod), 0, "Completed"))
            : new JsonObject { ["waiting"] = new JsonObject { ["reason"] = "PodInitializing" } };
        return status;
    }

    private static JsonObject Described(NodeContainer container) =>
        new()
        {
            ["name"] = container.Name,
            ["image"] = container.Image,
            ["imageID"] = "",
        };

    private static JsonObject Terminated(ContainerEnd end)
    {
        var terminated = new JsonObject
        {
            ["exitCode"] = end.ExitCode,
            ["reason"] = end.Reason,
            ["finishedAt"] = KubeTime.Seconds(end.Finished),
        };
        if (end.Started is { } started)
            terminated["startedAt"] = KubeTime.Seconds(started);
        return new JsonObject { ["terminated"] = terminated };
    }
}
