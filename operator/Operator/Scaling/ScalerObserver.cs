using Bursar.Core.Money;
using Bursar.Core.Scaling;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Billing;
using Bursar.Operator.Cluster;
using Bursar.Operator.Safety;

namespace Bursar.Operator.Scaling;

/// <summary>Reads everything that a scaler's decision may look at into one snapshot, from caches alone. It writes nothing.</summary>
internal sealed class ScalerObserver(
    ClusterStores stores,
    PriceList prices,
    WorkloadRates rates,
    TriggerMeter meter,
    ObserveOnlyMode control,
    TimeProvider time
)
{
    /// <summary>The longest that a model takes to load: what crashes again and again must not keep its target awake for ever.</summary>
    private static readonly TimeSpan LongestStart = TimeSpan.FromMinutes(30);

    /// <param name="scaler">The object.</param>
    /// <param name="terms">Its spec, read.</param>
    /// <param name="target">What it scales.</param>
    /// <param name="memory">What is remembered of it.</param>
    /// <param name="suspendedBy">The budget that has suspended the target.</param>
    /// <param name="asked">Since when agents are asked for its replicas.</param>
    public ScalerSnapshot Observe(
        IKubernetesObject scaler,
        ScalerTerms terms,
        ScaleTarget target,
        ScalerMemory memory,
        string? suspendedBy,
        DateTimeOffset asked
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
            Readings = [.. terms.Triggers.Select(trigger => meter.Read(trigger, target, states, terms.PollingInterval, asked))],
            Prices = PricesOf(target, states),
            Memory = memory,
            SuspendedBy = suspendedBy,
            ScaledBy = target.OtherAutoscaler?.Manager,
            ObserveOnly = control.ObserveOnly,
            Currency = prices.Currency,
        };
    }

    /// <summary>What the target's pods burn together, those that are ending included.</summary>
    public HourlyCost BurnOf(ScaleTarget target) =>
        target.ReplicaPods.Aggregate(HourlyCost.Zero, (sum, replica) => sum + (RateOf(replica) ?? HourlyCost.Zero));

    /// <summary>The workload that the target's pods are billed to.</summary>
    public string WorkloadOf(ScaleTarget target)
    {
        foreach (var replica in target.ReplicaPods)
            if (PodWorkload.UidOf(replica.Pods[0], stores) is { } uid)
                return uid;
        return target.Uid;
    }

    /// <summary>The labels that budgets select the target by; null where nothing tells them.</summary>
    public static IReadOnlyDictionary<string, string>? LabelsOf(ScaleTarget target) =>
        target.Work is { } work ? work.Labels
        : target.PodSets is [var set, ..] ? set.Template.Metadata.Labels
        : target.ReplicaPods is [var replica, ..] ? replica.Pods[0].Metadata.Labels
        : null;

    private ReplicaPrices PricesOf(ScaleTarget target, ReplicaState[] states)
    {
        var (live, burn, dearest) = (0, HourlyCost.Zero, (HourlyCost?)null);
        for (var i = 0; i < states.Length; i++)
        {
            if (states[i].Leaving || RateOf(target.ReplicaPods[i]) is not { } rate || rate == HourlyCost.Zero)
                continue;
            live++;
            burn += rate;
            if (dearest is null || rate > dearest.Value)
                dearest = rate;
        }
        return new(live, burn, dearest ?? rates.HighestOf([.. target.PodSets.Select(set => set with { Count = set.PerReplica })]));
    }

    /// <summary>What a replica's bound pods burn; null where one of them has no price.</summary>
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
                || prices.RateOn(node, request) is not { } rate
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
