using System.Globalization;
using System.Text.Json.Nodes;
using static Bursar.Sandbox.Tables.Cells;
using static Bursar.Sandbox.Tables.TableLayout;

namespace Bursar.Sandbox.Tables;

/// <summary>The table of pods. The status column combines phase, init containers, containers and deletion.</summary>
internal static class PodTable
{
    public static TableLayout Layout { get; } =
        new(
            [
                NameColumn,
                Column("Ready", "Containers that are ready, of all."),
                Column("Status", "The pod's state in one word."),
                Column("Restarts", "How often containers were restarted, and when last."),
                AgeColumn,
                Wide("IP", "The pod's address."),
                Wide("Node", "The node that the pod is bound to."),
                Wide("Nominated Node", "The node that preemption frees for the pod."),
                Wide("Readiness Gates", "Conditions that hold, of those the pod's readiness waits for."),
            ],
            Row
        )
        {
            Conditions = Finished,
        };

    private static JsonNode?[] Row(JsonObject pod, DateTimeOffset now)
    {
        var summary = Summary.From(pod);
        var restarts =
            summary.Restarts > 0 && summary.LastRestart is { } last
                ? string.Create(CultureInfo.InvariantCulture, $"{summary.Restarts} ({HumanDuration.Format(now - last)} ago)")
                : Plain(summary.Restarts);
        var ip = pod.List("status", "podIPs") is { Count: > 0 } ips ? ips[0].Text("ip") : pod.Text("status", "podIP");
        return
        [
            Name(pod),
            string.Create(CultureInfo.InvariantCulture, $"{summary.Ready}/{summary.Total}"),
            summary.Status,
            restarts,
            Age(pod, now),
            ip.Or(None),
            pod.Text("spec", "nodeName").Or(None),
            pod.Text("status", "nominatedNodeName").Or(None),
            Gates(pod),
        ];
    }

    private static string Gates(JsonObject pod)
    {
        var gates = pod.List("spec", "readinessGates");
        if (gates.Count == 0)
        {
            return None;
        }

        var open = gates.Count(g => Condition(pod, g.Text("conditionType")).Text("status") == "True");
        return string.Create(CultureInfo.InvariantCulture, $"{open}/{gates.Count}");
    }

    private static JsonArray? Finished(JsonObject pod) =>
        pod.Text("status", "phase") switch
        {
            "Succeeded" => Completed("Succeeded", "The pod has completed successfully."),
            "Failed" => Completed("Failed", "The pod failed."),
            _ => null,
        };

    private static JsonArray Completed(string reason, string message) =>
        new(
            new JsonObject
            {
                ["type"] = "Completed",
                ["status"] = "True",
                ["reason"] = reason,
                ["message"] = message,
            }
        );

    private sealed class Summary
    {
        public int Total { get; private set; }

        public int Ready { get; private set; }

        public long Restarts { get; private set; }

        public DateTimeOffset? LastRestart { get; private set; }

        public string Status { get; private set; } = "";

        public static Summary From(JsonObject pod)
        {
            var summary = new Summary
            {
                Total = pod.Count("spec", "containers"),
                Status = pod.Text("status", "reason").Or(pod.Text("status", "phase")),
            };
            if (Condition(pod, "PodScheduled").Text("reason") == "SchedulingGated")
            {
                summary.Status = "SchedulingGated";
            }

            if (!summary.ReadInitContainers(pod) || Condition(pod, "Initialized").Text("status") == "True")
            {
                summary.ReadContainers(pod);
            }

            summary.ReadDeletion(pod);
            return summary;
        }

        private static bool Restartable(JsonNode? spec) => spec.Text("restartPolicy") == "Always";

        private static string Ended(JsonNode? terminated)
        {
            if (terminated.Text("reason") is { Length: > 0 } reason)
            {
                return reason;
            }

            return terminated.Number("signal") is var signal and not 0
                ? $"Signal:{Plain(signal)}"
                : $"ExitCode:{Plain(terminated.Number("exitCode"))}";
        }

        /// <summary>Returns true if the pod still waits for its init containers.</summary>
        private bool ReadInitContainers(JsonObject pod)
        {
            var specs = pod.List("spec", "initContainers").ToDictionary(c => c.Text("name"), StringComparer.Ordinal);
            Total += specs.Values.Count(Restartable);
            var statuses = pod.List("status", "initContainerStatuses");
            for (var i = 0; i < statuses.Count; i++)
            {
                var status = statuses[i];
                CountRestarts(status);
                var sidecar = specs.TryGetValue(status.Text("name"), out var spec) && Restartable(spec);
                var terminated = status.At("state", "terminated");
                if (terminated is not null && terminated.Number("exitCode") == 0)
                {
                    continue;
                }

                if (sidecar && status.Is("started"))
                {
                    Ready += status.Is("ready") ? 1 : 0;
                    continue;
                }

                var waiting = status.Text("state", "waiting", "reason");
                Status =
                    terminated is not null ? "Init:" + Ended(terminated)
                    : waiting is not ("" or "PodInitializing") ? "Init:" + waiting
                    : string.Create(CultureInfo.InvariantCulture, $"Init:{i}/{specs.Count}");
                return true;
            }

            return false;
        }

        private void ReadContainers(JsonObject pod)
        {
            var running = false;
            foreach (var status in pod.List("status", "containerStatuses").Reverse())
            {
                CountRestarts(status);
                if (status.Text("state", "waiting", "reason") is { Length: > 0 } waiting)
                {
                    Status = waiting;
                }
                else if (status.At("state", "terminated") is { } terminated)
                {
                    Status = Ended(terminated);
                }
                else if (status.Is("ready") && status.At("state", "running") is not null)
                {
                    running = true;
                    Ready++;
                }
            }

            // A pod with a completed and a running container is not completed.
            if (Status == "Completed" && running)
            {
                Status = Condition(pod, "Ready").Text("status") == "True" ? "Running" : "NotReady";
            }
        }

        private void ReadDeletion(JsonObject pod)
        {
            if (pod.At("metadata", "deletionTimestamp") is null)
            {
                return;
            }

            if (pod.Text("status", "reason") == "NodeLost")
            {
                Status = "Unknown";
            }
            else if (pod.Text("status", "phase") is not ("Succeeded" or "Failed"))
            {
                Status = "Terminating";
            }
        }

        private void CountRestarts(JsonNode status)
        {
            Restarts += status.Number("restartCount");
            if (TryTime(status.At("lastState", "terminated", "finishedAt"), out var ended) && (LastRestart is not { } last || last < ended))
            {
                LastRestart = ended;
            }
        }
    }
}
