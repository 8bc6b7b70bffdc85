using System.Collections.Concurrent;
using Bursar.Core.Money;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Budgets;

/// <summary>The targets of scalers whose replicas above the minimum are given up when a budget does not cover them. Safe from any thread.</summary>
internal sealed class ElasticTargets
{
    private readonly ConcurrentDictionary<ObjectKey, ElasticTarget> _targets = new();
    private volatile Lazy<ILookup<string, ElasticTarget>> _byWorkload = new(() =>
        Enumerable.Empty<ElasticTarget>().ToLookup(one => one.WorkloadUid, StringComparer.Ordinal)
    );

    /// <summary>What a scaler holds of a workload; null takes it back.</summary>
    public void Set(ObjectKey scaler, ElasticTarget? target)
    {
        if (target is null ? !_targets.TryRemove(scaler, out _) : _targets.TryGetValue(scaler, out var known) && known == target)
            return;
        if (target is not null)
            _targets[scaler] = target;
        _byWorkload = new(() => _targets.Values.ToLookup(one => one.WorkloadUid, StringComparer.Ordinal));
    }

    /// <summary>What of a workload's burn stays whatever the money says; null where no scaler could take the rest away.</summary>
    public HourlyCost? MinimumReplicasRateOf(string workloadUid, HourlyCost burn)
    {
        HourlyCost? floor = null;
        foreach (var target in _byWorkload.Value[workloadUid])
        {
            if (target.MinimumReplicas is not { } kept)
                return null;
            // A pod that was bound a moment ago is not in what the scaler saw last: it must not look as if it stayed.
            burn = target.IsWhole ? HourlyCost.Zero : new HourlyCost(Math.Max(0, burn.NanoPerHour - target.Burn.NanoPerHour));
            floor = (floor ?? HourlyCost.Zero) + kept;
        }
        return floor is { } sum ? sum + burn : null;
    }
}

/// <summary>A target whose replicas above the floor a scaler gives up when the money says so.</summary>
/// <param name="WorkloadUid">Of the workload that its pods are billed to.</param>
/// <param name="Burn">What its pods burn.</param>
/// <param name="MinimumReplicas">What the floor costs; null where that is not known.</param>
/// <param name="IsWhole">The workload is the target, and has no other pods.</param>
internal sealed record ElasticTarget(string WorkloadUid, HourlyCost Burn, HourlyCost? MinimumReplicas, bool IsWhole);
