using System.Globalization;
using System.Text.Json;

namespace Bursar.Sandbox.Controllers;

/// <summary>
/// Plans the next step of a Deployment. The ReplicaSet of the current template scales up and the others down, within maxSurge and
/// maxUnavailable. With Recreate, the others scale down first. Pure.
/// </summary>
internal static class DeploymentPlanner
{
    public const string HashLabel = "pod-template-hash";
    public const string RevisionAnnotation = "deployment.kubernetes.io/revision";

    public static DeploymentPlan Plan(
        ControlledDeployment deployment,
        string hash,
        IReadOnlyList<ControlledReplicaSet> sets,
        DateTimeOffset now
    )
    {
        if (deployment.Metadata.DeletionTimestamp is not null)
            return DeploymentPlan.Nothing;
        var current = sets.FirstOrDefault(set => set.Metadata.Labels.TryGetValue(HashLabel, out var label) && label == hash);
        var others = sets.Where(set => set != current)
            .OrderBy(static set => set.Metadata.CreationTimestamp)
            .ThenBy(static set => set.Metadata.Name, StringComparer.Ordinal)
            .ToList();
        var wanted = deployment.Spec.Replicas ?? 1;
        var paused = deployment.Spec.Paused == true;
        var recreate = deployment.Spec.Strategy?.Type == "Recreate";
        var rolling = deployment.Spec.Strategy?.RollingUpdate;
        var surge = recreate ? 0 : Resolve(rolling?.MaxSurge, wanted, up: true, fallback: 25);
        var unavailable = recreate ? wanted : Resolve(rolling?.MaxUnavailable, wanted, up: false, fallback: 25);
        if (surge == 0 && unavailable == 0)
            unavailable = 1;

        var scale = new Dictionary<string, int>(StringComparer.Ordinal);
        int? create = null;
        long revision = sets.Select(Revision).DefaultIfEmpty(0).Max();
        var createRevision = revision + 1;

        if (current is null)
        {
            if (!paused)
                create =
                    recreate && others.Any(static set => Desired(set) > 0 || set.Status.Replicas > 0) ? null
                    : recreate ? wanted
                    : Math.Min(wanted, Math.Max(0, wanted + surge - others.Sum(Desired)));
        }
        else if (others.All(static set => Desired(set) == 0) || paused)
        {
            // Without a rollout, the current ReplicaSet follows the Deployment's replicas, even if it is paused.
            var carrier = others.All(static set => Desired(set) == 0) ? current : null;
            if (carrier is not null && Desired(carrier) != wanted && !(recreate && others.Any(static set => set.Status.Replicas > 0)))
                scale[carrier.Metadata.Name] = wanted;
        }
        else if (!recreate)
        {
            var room = wanted + surge - sets.Sum(Desired);
            var grown = Math.Min(wanted, Desired(current) + Math.Max(0, room));
            if (Desired(current) > wanted)
                grown = wanted;
            if (grown != Desired(current))
                scale[current.Metadata.Name] = grown;
        }

        if (!paused && others.Count > 0)
            ShrinkOthers(others, current, recreate, wanted - unavailable, sets, scale);

        var remove = others
            .Where(static set => Desired(set) == 0 && set.Status.Replicas == 0)
            .OrderByDescending(Revision)
            .Skip(deployment.Spec.RevisionHistoryLimit ?? 10)
            .Select(static set => set.Metadata.Name)
            .ToList();
        return new DeploymentPlan
        {
            Create = create,
            CreateRevision = createRevision,
            RevisionOfCurrent = current is not null && Revision(current) < revision ? revision + 1 : null,
            Current = current?.Metadata.Name,
            Scale = scale,
            Remove = remove,
            Status = Status(deployment, current, sets, wanted, unavailable, now),
        };
    }

    public static long Revision(ControlledReplicaSet set) =>
        set.Metadata.Annotations.TryGetValue(RevisionAnnotation, out var text)
        && long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var revision)
            ? revision
            : 0;

    private static int Desired(ControlledReplicaSet set) => set.Spec.Replicas ?? 1;

    private static void ShrinkOthers(
        List<ControlledReplicaSet> others,
        ControlledReplicaSet? current,
        bool recreate,
        int minAvailable,
        IReadOnlyList<ControlledReplicaSet> sets,
        Dictionary<string, int> scale
    )
    {
        if (recreate)
        {
            foreach (var set in others.Where(static set => Desired(set) > 0))
                scale[set.Metadata.Name] = 0;
            return;
        }

        if (current is null)
            return;
        var notYetThere = Math.Max(0, Desired(current) - current.Status.AvailableReplicas);
        var room = sets.Sum(Desired) - Math.Max(0, minAvailable) - notYetThere;
        // Scale down unhealthy pods first, then healthy ones, oldest ReplicaSet first.
        foreach (var healthy in new[] { false, true })
        {
            foreach (var set in others)
            {
                var desired = scale.GetValueOrDefault(set.Metadata.Name, Desired(set));
                var share = healthy ? desired : Math.Max(0, desired - set.Status.AvailableReplicas);
                var by = Math.Min(share, room);
                if (by <= 0)
                    continue;
                scale[set.Metadata.Name] = desired - by;
                room -= by;
            }
        }
    }

    private static ControlledDeploymentStatus? Status(
        ControlledDeployment deployment,
        ControlledReplicaSet? current,
        IReadOnlyList<ControlledReplicaSet> sets,
        int wanted,
        int unavailable,
        DateTimeOffset now
    )
    {
        var available = sets.Sum(static set => set.Status.AvailableReplicas);
        var total = sets.Sum(static set => set.Status.Replicas);
        var updated = current?.Status.Replicas ?? 0;
        IReadOnlyList<ControllerCondition> conditions = deployment.Status.Conditions;
        conditions =
            available >= wanted - unavailable
                ? ConditionList.Set(
                    conditions,
                    "Available",
                    "True",
                    "MinimumReplicasAvailable",
                    "Deployment has minimum availability.",
                    now
                )
                : ConditionList.Set(
                    conditions,
                    "Available",
                    "False",
                    "MinimumReplicasUnavailable",
                    "Deployment does not have minimum availability.",
                    now
                );
        var complete = current is not null && updated == wanted && total == wanted && available == wanted;
        var name = current?.Metadata.Name;
        conditions =
            complete
                ? ConditionList.Set(
                    conditions,
                    "Progressing",
                    "True",
                    "NewReplicaSetAvailable",
                    $"ReplicaSet \"{name}\" has successfully progressed.",
                    now
                )
            : name is null
                ? ConditionList.Set(conditions, "Progressing", "True", "NewReplicaSetCreated", "A new ReplicaSet is created.", now)
            : ConditionList.Set(conditions, "Progressing", "True", "ReplicaSetUpdated", $"ReplicaSet \"{name}\" is progressing.", now);
        var status = new ControlledDeploymentStatus
        {
            ObservedGeneration = deployment.Metadata.Generation,
            Replicas = total,
            UpdatedReplicas = updated,
            ReadyReplicas = sets.Sum(static set => set.Status.ReadyReplicas),
            AvailableReplicas = available,
            UnavailableReplicas = Math.Max(0, Math.Max(total, wanted) - available),
            Conditions = conditions,
        };
        var same =
            status with { Conditions = deployment.Status.Conditions } == deployment.Status
            && conditions.SequenceEqual(deployment.Status.Conditions);
        return same ? null : status;
    }

    /// <summary>Resolves a number or a percentage of the replicas, rounded up for maxSurge and down for maxUnavailable.</summary>
    private static int Resolve(JsonElement? value, int replicas, bool up, int fallback)
    {
        var percent = fallback;
        if (value is { ValueKind: JsonValueKind.Number } number)
            return number.GetInt32();
        if (
            value is { ValueKind: JsonValueKind.String } text
            && int.TryParse(text.GetString()!.TrimEnd('%'), NumberStyles.None, CultureInfo.InvariantCulture, out var written)
        )
            percent = written;
        return (replicas * percent + (up ? 99 : 0)) / 100;
    }
}

internal sealed record DeploymentPlan
{
    public static DeploymentPlan Nothing { get; } = new();

    /// <summary>The replicas of the ReplicaSet to create for the current template; null to create none.</summary>
    public int? Create { get; init; }

    public long CreateRevision { get; init; }

    public string? Current { get; init; }

    /// <summary>The new revision of an older ReplicaSet that became current again (a rollback); else null.</summary>
    public long? RevisionOfCurrent { get; init; }

    public IReadOnlyDictionary<string, int> Scale { get; init; } = new Dictionary<string, int>();

    public IReadOnlyList<string> Remove { get; init; } = [];

    public ControlledDeploymentStatus? Status { get; init; }
}
