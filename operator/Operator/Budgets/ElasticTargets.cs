using System.Collections.Concurrent;
using Bursar.Core.Money;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Budgets;

/// <summary>Targets of scalers that give up replicas above the minimum when a budget does not cover them. Thread-safe.</summary>
internal sealed class ElasticTargets
{
    private readonly ConcurrentDictionary<ObjectKey, ElasticTarget> _targets = new();
    private volatile Lazy<ILookup<string, ElasticTarget>> _byWorkload = new(() =>
        Enumerable.Empty<ElasticTarget>().ToLookup(one => one.WorkloadUid, StringComparer.Ordinal)
    );

    /// <summary>Sets the target of a scaler; null removes it.</summary>
    public void Set(ObjectKey scaler, ElasticTarget? target)
    {
        if (target is null ? !_targets.TryRemove(scaler, out _) : _targets.TryGetValue(scaler, out var known) && known == target)
            return;
        if (target is not null)
            _targets[scaler] = target;
        _byWorkload = new(() => _targets.Values.ToLookup(one => one.WorkloadUid, StringComparer.Ordinal));
    }

    /// <summary>
    /// Returns the part of a workload's burn rate that scalers cannot remove; null if no scaler can remove any or a cost is unknown.
    /// </summary>
    public HourlyCost? MinimumReplicasRateOf(string workloadUid, HourlyCost burn)
    {
        HourlyCost? minimum = null;
        foreach (var target in _byWorkload.Value[workloadUid])
        {
            if (target.MinimumReplicas is not { } kept)
                return null;
            // The scaler's last evaluation does not include pods that were bound since. They must not look as if they stayed.
            burn = target.IsWhole ? HourlyCost.Zero : new HourlyCost(Math.Max(0, burn.NanoPerHour - target.Burn.NanoPerHour));
            minimum = (minimum ?? HourlyCost.Zero) + kept;
        }
        return minimum is { } sum ? sum + burn : null;
    }
}

/// <summary>A target whose replicas above the minimum a scaler gives up when a budget does not cover them.</summary>
/// <param name="WorkloadUid">UID of the workload to which its pods are billed.</param>
/// <param name="Burn">Burn rate of its pods.</param>
/// <param name="MinimumReplicas">Cost of the minimum replicas; null if unknown.</param>
/// <param name="IsWhole">Whether all pods of the workload belong to the target.</param>
internal sealed record ElasticTarget(string WorkloadUid, HourlyCost Burn, HourlyCost? MinimumReplicas, bool IsWhole);
