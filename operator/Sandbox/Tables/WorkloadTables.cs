using System.Globalization;
using System.Text.Json.Nodes;
using static Bursar.Sandbox.Tables.Cells;
using static Bursar.Sandbox.Tables.TableLayout;

namespace Bursar.Sandbox.Tables;

/// <summary>Tables of Deployments, Jobs and the other kinds that own pods.</summary>
internal static class WorkloadTables
{
    public static TableLayout Deployment { get; } =
        new(
            [
                NameColumn,
                Column("Ready", "Replicas that are ready, of those wanted."),
                Column("Up-to-date", "Replicas of the newest template."),
                Column("Available", "Replicas that serve."),
                AgeColumn,
                .. WideContainers,
                WideSelector,
            ],
            (o, now) =>
                [
                    Name(o),
                    Fraction(o.Number("status", "readyReplicas"), o.Number("spec", "replicas")),
                    o.Number("status", "updatedReplicas"),
                    o.Number("status", "availableReplicas"),
                    Age(o, now),
                    .. Template(o),
                    Selector(o.At("spec", "selector")),
                ]
        );

    public static TableLayout ReplicaSet { get; } =
        new(
            [
                NameColumn,
                Column("Desired", "Replicas that are wanted.", "integer"),
                Column("Current", "Replicas that exist.", "integer"),
                Column("Ready", "Replicas that are ready.", "integer"),
                AgeColumn,
                .. WideContainers,
                WideSelector,
            ],
            (o, now) =>
                [
                    Name(o),
                    o.Number("spec", "replicas"),
                    o.Number("status", "replicas"),
                    o.Number("status", "readyReplicas"),
                    Age(o, now),
                    .. Template(o),
                    Selector(o.At("spec", "selector")),
                ]
        );

    public static TableLayout StatefulSet { get; } =
        new([NameColumn, Column("Ready", "Replicas that are ready, of those wanted."), AgeColumn, .. WideContainers], (o, now) =>
            [Name(o), Fraction(o.Number("status", "readyReplicas"), o.Number("spec", "replicas")), Age(o, now), .. Template(o)]
        );

    public static TableLayout DaemonSet { get; } =
        new(
            [
                NameColumn,
                Column("Desired", "Nodes that should run the pod.", "integer"),
                Column("Current", "Nodes that run the pod.", "integer"),
                Column("Ready", "Nodes where the pod is ready.", "integer"),
                Column("Up-to-date", "Nodes that run the newest template.", "integer"),
                Column("Available", "Nodes where the pod serves.", "integer"),
                Column("Node Selector", "Labels of the nodes that should run the pod."),
                AgeColumn,
                .. WideContainers,
                WideSelector,
            ],
            (o, now) =>
                [
                    Name(o),
                    o.Number("status", "desiredNumberScheduled"),
                    o.Number("status", "currentNumberScheduled"),
                    o.Number("status", "numberReady"),
                    o.Number("status", "updatedNumberScheduled"),
                    o.Number("status", "numberAvailable"),
                    Labels(o.At("spec", "template", "spec", "nodeSelector")),
                    Age(o, now),
                    .. Template(o),
                    Selector(o.At("spec", "selector")),
                ]
        );

    public static TableLayout Job { get; } =
        new(
            [
                NameColumn,
                Column("Status", "The job's state in one word."),
                Column("Completions", "Pods that succeeded, of those wanted."),
                Column("Duration", "How long the job ran, or runs."),
                AgeColumn,
                .. WideContainers,
                WideSelector,
            ],
            (o, now) =>
                [Name(o), JobStatus(o), Completions(o), Duration(o, now), Age(o, now), .. Template(o), Selector(o.At("spec", "selector"))]
        );

    public static TableLayout CronJob { get; } =
        new(
            [
                NameColumn,
                Column("Schedule", "When jobs start, as a cron expression."),
                Column("Timezone", "The time zone of the schedule."),
                Column("Suspend", "Whether no jobs start for now.", "boolean"),
                Column("Active", "Jobs that run now.", "integer"),
                Column("Last Schedule", "How long ago a job was started."),
                AgeColumn,
                .. WideContainers,
                WideSelector,
            ],
            (o, now) =>
                [
                    Name(o),
                    o.Text("spec", "schedule"),
                    o.Text("spec", "timeZone").Or(None),
                    o.Is("spec", "suspend") ? "True" : "False",
                    o.Count("status", "active"),
                    o.At("status", "lastScheduleTime") is { } last ? Age(last, now) : None,
                    Age(o, now),
                    .. Template(o.At("spec", "jobTemplate")),
                    Selector(o.At("spec", "jobTemplate", "spec", "selector")),
                ]
        );

    public static TableLayout ControllerRevision { get; } =
        new([NameColumn, Column("Controller", "Who made this revision."), Column("Revision", "Its number."), AgeColumn], (o, now) =>
            [
                Name(o),
                o.List("metadata", "ownerReferences").FirstOrDefault(r => r.Is("controller")) is { } owner ? ControllerName(owner) : None,
                o.Number("revision"),
                Age(o, now),
            ]
        );

    public static TableLayout HorizontalPodAutoscaler { get; } =
        new(
            [
                NameColumn,
                Column("Reference", "What is scaled."),
                Column("Targets", "Each metric's value against its target."),
                Column("MinPods", "The fewest replicas."),
                Column("MaxPods", "The most replicas."),
                Column("Replicas", "Replicas at present."),
                AgeColumn,
            ],
            (o, now) =>
                [
                    Name(o),
                    $"{o.Text("spec", "scaleTargetRef", "kind")}/{o.Text("spec", "scaleTargetRef", "name")}",
                    AutoscalerTargets.Print(o),
                    o.At("spec", "minReplicas") is null ? "<unset>" : Plain(o.Number("spec", "minReplicas")),
                    o.Number("spec", "maxReplicas"),
                    o.Number("status", "currentReplicas"),
                    Age(o, now),
                ]
        );

    private static Schemas.ColumnInfo[] WideContainers =>
        [Wide("Containers", "Names of the template's containers."), Wide("Images", "Images of the template's containers.")];

    private static Schemas.ColumnInfo WideSelector => Wide("Selector", "Labels of the pods that belong to it.");

    private static string Fraction(long part, long whole) => string.Create(CultureInfo.InvariantCulture, $"{part}/{whole}");

    private static JsonNode?[] Template(JsonNode? owner)
    {
        var (names, images) = Containers(owner.At("spec", "template", "spec"));
        return [names, images];
    }

    private static string ControllerName(JsonNode owner)
    {
        var group = Schemas.ApiVersions.Split(owner.Text("apiVersion")).Group;
        var kind = owner.Text("kind").ToLowerInvariant();
        return $"{(group.Length == 0 ? kind : $"{kind}.{group}")}/{owner.Text("name")}";
    }

    private static string JobStatus(JsonObject job)
    {
        if (IsTrue(job, "Complete"))
        {
            return "Complete";
        }

        if (IsTrue(job, "Failed"))
        {
            return "Failed";
        }

        if (job.At("metadata", "deletionTimestamp") is not null)
        {
            return "Terminating";
        }

        foreach (var type in (ReadOnlySpan<string>)["Suspended", "FailureTarget", "SuccessCriteriaMet"])
        {
            if (IsTrue(job, type))
            {
                return type;
            }
        }

        return "Running";
    }

    private static bool IsTrue(JsonObject job, string type) => Condition(job, type).Text("status") == "True";

    private static string Completions(JsonObject job)
    {
        var succeeded = job.Number("status", "succeeded");
        if (job.At("spec", "completions") is not null)
        {
            return Fraction(succeeded, job.Number("spec", "completions"));
        }

        var parallelism = job.Number("spec", "parallelism");
        return parallelism > 1 ? string.Create(CultureInfo.InvariantCulture, $"{succeeded}/1 of {parallelism}") : Fraction(succeeded, 1);
    }

    private static string Duration(JsonObject job, DateTimeOffset now)
    {
        if (!TryTime(job.At("status", "startTime"), out var start))
        {
            return "";
        }

        return HumanDuration.Format((TryTime(job.At("status", "completionTime"), out var end) ? end : now) - start);
    }
}
