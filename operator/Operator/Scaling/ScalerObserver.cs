using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Scaling;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Billing;
using Bursar.Operator.Cluster;
using Bursar.Operator.Safety;

namespace Bursar.Operator.Scaling;

/// <summary>Reads all inputs of a scaler's decision into one snapshot, from caches only. It writes nothing.</summary>
internal sealed class ScalerObserver(
    ClusterStores stores,
    PriceList prices,
    WorkloadRates rates,
    TriggerMeter meter,
    ObserveOnlyMode control,
    TimeProvider time
)
{
    /// <summary>Longest time that a model takes to load. After that a crash-looping pod no longer counts as starting.</summary>
    private static readonly TimeSpan LongestStart = TimeSpan.FromMinutes(30);

    /// <param name="terms">Its parsed spec.</param>
    /// <param name="target">Its target.</param>
    /// <param name="memory">Its memory from the previous decision.</param>
    /// <param name="suspendedBy">The budget that has suspended the target; null if none has.</param>
    /// <param name="queriedSince">Since when agents are queried for its replicas.</param>
    public ScalerSnapshot Observe(
        IKubernetesObject scaler,
        ScalerTerms terms,
        ScaleTarget target,
        ScalerMemory memory,
        string? suspendedBy,
        DateTimeOffset queriedSince
    )
    {
        var states = new ReplicaState[target.ReplicaPods.Count];
        for (var i = 0; i < states.Length; i++)
            states[i] = StateOf(target.ReplicaPods[i]);
        return new()
        {
            Namespace = target.Namespace,
            Name = scaler.Metadata.Name,
            Target = $"{target.Entity.Kind}/{target.Name}",
            Now = time.GetUtcNow(),
            CreatedAt = scaler.Metadata.CreationTimestamp ?? time.GetUtcNow(),
            Terms = terms,
            Replicas = target.Replicas,
            ActualReplicas = target.StatusReplicas ?? target.ReplicaPods.Count,
            ReplicaStates = states,
            InFlight = meter.HasRequests(target),
            IsRollingOut = target.IsRollingOut,
            Readings = [.. terms.Triggers.Select(trigger => meter.Read(trigger, target, states, terms.PollingInterval, queriedSince))],
            Prices = PricesOf(target, states),
            Memory = memory,
            SuspendedBy = suspendedBy,
            ScaledBy = target.OtherAutoscaler?.Manager,
            ObserveOnly = control.ObserveOnly,
            Currency = prices.Currency,
        };
    }

    /// <summary>Returns the burn rate of the target's pods, including terminating ones.</summary>
    public HourlyCost BurnOf(ScaleTarget target) =>
        target.ReplicaPods.Aggregate(HourlyCost.Zero, (sum, replica) => sum + (RateOf(replica) ?? HourlyCost.Zero));

    /// <summary>Returns the UID of the workload to which the target's pods are billed.</summary>
    public string WorkloadOf(ScaleTarget target)
    {
        foreach (var replica in target.ReplicaPods)
            if (PodWorkload.UidOf(replica.Pods[0], stores) is { } uid)
                return uid;
        return target.Uid;
    }

    /// <summary>Returns the labels that budgets' selectors match; null if unknown.</summary>
    public static IReadOnlyDictionary<string, string>? LabelsOf(ScaleTarget target) =>
        target.Work is { } work ? work.Labels
        : target.PodSets is [var set, ..] ? CreatorLabel.With(set.Template.Metadata.Labels, null)
        : target.ReplicaPods is [var replica, ..] ? CreatorLabel.With(replica.Pods[0].Metadata.Labels, null)
        : null;

    private ReplicaPrices PricesOf(ScaleTarget target, ReplicaState[] states)
    {
        var (live, burn, highest) = (0, HourlyCost.Zero, (HourlyCost?)null);
        for (var i = 0; i < states.Length; i++)
        {
            if (states[i].Leaving || RateOf(target.ReplicaPods[i]) is not { } rate || rate == HourlyCost.Zero)
                continue;
            live++;
            burn += rate;
            if (highest is null || rate > highest.Value)
                highest = rate;
        }
        return new(live, burn, highest ?? rates.HighestOf([.. target.PodSets.Select(set => set with { Count = set.PerReplica })]));
    }

    /// <summary>Returns the burn rate of a replica's bound pods; null if one of them has no price.</summary>
    private HourlyCost? RateOf(TargetReplica replica)
    {
        var sum = HourlyCost.Zero;
        foreach (var pod in replica.Pods)
        {
            if (PodTimes.ScheduledAt(pod) is null || PodTimes.IsOver(pod))
                continue;
            var request = stores.Gpus.OfPod(pod);
            if (!request.IsAny)
                continue;
            if (
                pod.Spec.NodeName is not { Length: > 0 } name
                || stores.Nodes.Store.Get(null, name) is not { } node
                || prices.RateOn(node, request, CountedUsage.Cost) is not { } rate
            )
                return null;
            sum += rate;
        }
        return sum;
    }

    private ReplicaState StateOf(TargetReplica replica)
    {
        var (pending, ready) = (false, true);
        foreach (var pod in replica.Pods)
        {
            pending |= pod.Status.Phase is null or "" or "Pending";
            ready &=
                pod.Status.Phase == "Running" && pod.Status.Conditions.Any(condition => condition is { Type: "Ready", Status: "True" });
        }
        var first = replica.Pods[0];
        var since = PodTimes.ScheduledAt(first) ?? first.Metadata.CreationTimestamp;
        return new(
            replica.Key,
            pending,
            ready,
            first.Metadata.DeletionTimestamp is not null || first.Status.Phase == "Failed",
            !ready && since is { } at && time.GetUtcNow() - at > LongestStart
        );
    }
}
