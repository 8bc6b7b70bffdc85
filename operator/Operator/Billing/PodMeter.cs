using Bursar.Core.Ledger;
using Bursar.Core.Prices;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;
using Bursar.Operator.Cluster.Gpus;
using Bursar.Operator.Telemetry;

namespace Bursar.Operator.Billing;

/// <summary>
/// Records every pod that holds GPUs, from the API's own timestamps. It is level-triggered: a pod may be passed any number of times, and
/// all pods again after a restart.
/// </summary>
internal sealed class PodMeter(
    ClusterStores stores,
    GpuLedger ledger,
    ProgressTracker progress,
    TimeProvider time,
    DeletedPodTracker? deletedPods = null
)
{
    /// <summary>Longer than the API takes to show a pod that an agent has reported.</summary>
    private static readonly TimeSpan ApiDelay = TimeSpan.FromMinutes(5);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, V1Pod> _ownerMissing = new(StringComparer.Ordinal);

    /// <summary>Raised with each workload whose records changed.</summary>
    public event Action<WorkloadKey>? Changed;

    public void Observe(V1Pod pod) => Book(pod, gone: false);

    public void ObserveGone(V1Pod pod)
    {
        lock (_gate)
            _ownerMissing.Remove(pod.Metadata.Uid);
        Book(pod, gone: true);
    }

    /// <summary>Records the end of a pod that was deleted while the API server could not be watched.</summary>
    public void ObserveGoneUnseen(V1Pod pod)
    {
        lock (_gate)
            _ownerMissing.Remove(pod.Metadata.Uid);
        Book(pod, gone: true, stores.Pods.Health.LastSync);
    }

    /// <summary>Records pods that waited for an owner in this namespace.</summary>
    public void ObserveOwner(string ns)
    {
        V1Pod[] waiting;
        lock (_gate)
        {
            waiting = _ownerMissing.Values.Where(p => p.Metadata.Namespace == ns).ToArray();
            foreach (var pod in waiting)
                _ownerMissing.Remove(pod.Metadata.Uid);
        }
        foreach (var pod in waiting)
            Book(pod, gone: false);
    }

    /// <summary>Records the pods of a claim that was added, changed or allocated.</summary>
    public void ObserveClaim(V1ResourceClaim claim)
    {
        foreach (var pod in stores.Pods.Store.ByIndex(Indexes.Namespace, claim.Metadata.Namespace ?? ""))
            if (
                pod.Spec.ResourceClaims.Any(one => (one.ClaimName ?? pod.Status.ClaimNameOf(one.Name)) == claim.Metadata.Name)
                || pod.Status.ExtendedResourceClaim?.ClaimName == claim.Metadata.Name
            )
                Book(pod, gone: false);
    }

    public void ObserveOn(string node)
    {
        foreach (var pod in stores.Pods.Store.List())
            if (pod.Spec.NodeName == node)
                Book(pod, gone: false);
    }

    /// <summary>
    /// Ends pods that the ledger still bills but the API no longer shows. A standby replica knows when they were deleted. Otherwise the end
    /// is between the ledger's last write and now, and other facts narrow it down.
    /// </summary>
    public void CloseVanished()
    {
        var now = time.GetUtcNow();
        var present = stores.Pods.Store.List().Select(p => p.Metadata.Uid).ToHashSet(StringComparer.Ordinal);
        var vanished = ledger.OpenPods().Where(open => !present.Contains(open.Uid)).ToArray();
        var replaced = PodBounds.Replaced(vanished, stores);
        foreach (var open in vanished)
        {
            var bounds = PodBounds
                .Get(open.Workload, open.Pod, open.Uid, open.Since, stores)
                .Concat(replaced.TryGetValue(open.Uid, out var at) ? [at] : []);
            ledger.Observe(
                new PodObservation
                {
                    Uid = open.Uid,
                    Pod = open.Pod,
                    Workload = open.Workload,
                    Class = PodWorkload.ClassOf(open.Workload.Kind, V1ObjectMeta.Empty, null),
                    // The labels of the first observation remain.
                    Labels = StringMap.Empty,
                    Node = open.Node,
                    Gpus = open.Gpus,
                    ScheduledAt = open.Since,
                    IsGone = true,
                    ObservedAt = now,
                }.EndedAt(
                    deletedPods?.Find(open.Uid) is { } seen
                        ? EndOf(seen.Pod, open.Since, gone: true, seen.At, seen.LastSeenAt, () => bounds)
                        : PodEnd.From(
                            new()
                            {
                                ScheduledAt = open.Since,
                                LastSeenAt = ledger.AsOf ?? open.LastProof,
                                Bounds = [.. bounds],
                                ObservedAt = now,
                            }
                        )
                )
            );
        }
    }

    /// <summary>Returns the product. An allocated claim is settled even on a node without a product.</summary>
    private static string ProductOf(NodeDevices? devices, V1Pod pod) =>
        devices is { Product.Length: > 0 } ? devices.Product
        : pod.Spec.ResourceClaims.Count > 0 && devices is not null ? PriceClassName.UnknownProduct
        : "";

    /// <summary>
    /// Records pods that came and went unobserved and that only the node's agent reported, by name. Their owner may still exist. The
    /// agent's journal provides their start and end.
    /// </summary>
    public void ObserveJournalOf(string node)
    {
        var now = time.GetUtcNow();
        foreach (var pod in ledger.JournalPods(node))
        {
            // The API also shows a pod that started recently.
            if (
                now - pod.LastProof < ApiDelay
                || stores.Pods.Store.GetByUid(pod.Uid) is not null
                || PodBounds.OwnerByName(pod, stores) is not { } owner
            )
                continue;
            var request = owner.PodSets.First(set => set.Request.IsAny).Request;
            var devices = stores.Nodes.Store.Get(null, node) is { } known ? stores.Gpus.DevicesOf(known) : null;
            var top = PodWorkload.From(owner);
            ledger.Observe(
                new()
                {
                    Uid = pod.Uid,
                    Pod = pod.Pod,
                    Workload = top.Key,
                    Class = top.Class,
                    Labels = top.Labels,
                    Node = node,
                    Product = devices?.Product ?? "",
                    Gpus = request.Units,
                    Share = request.ShareOn(devices),
                    ScheduledAt = pod.Since,
                    GoneAt = now,
                    AliveAt = pod.Since,
                    IsGone = true,
                    ObservedAt = now,
                }
            );
            Changed?.Invoke(top.Key);
        }
    }

    /// <summary>Returns the end of a pod from its last state; null while it runs.</summary>
    private static PodEnd? EndOf(
        V1Pod pod,
        DateTimeOffset scheduled,
        bool gone,
        DateTimeOffset observed,
        DateTimeOffset? lastSeen,
        Func<IEnumerable<DateTimeOffset>> bounds
    )
    {
        var over = PodTimes.IsOver(pod);
        if (!over && !gone)
            return null;
        // It was observed running until its deletion.
        if (!over && !(lastSeen < observed))
            return new(observed, observed, IsExact: false);
        var facts = PodTimes.EndFacts(pod, scheduled, observed);
        return PodEnd.From(facts) is { IsExact: true } exact
            ? exact
            : PodEnd.From(facts with { LastSeenAt = over ? facts.LastSeenAt : lastSeen, Bounds = [.. bounds()] });
    }

    /// <param name="pod">Its last state.</param>
    /// <param name="gone">Whether the API no longer shows it.</param>
    /// <param name="lastSeen">When it was last seen, if its deletion was not observed.</param>
    private void Book(V1Pod pod, bool gone, DateTimeOffset? lastSeen = null)
    {
        var request = stores.Gpus.OfPod(pod);
        // The GPU of a reservation pod is billed to the pods that share it. The rest counts as unallocated on the node.
        if (!request.IsAny || KaiSharing.IsReservation(pod) || PodTimes.ScheduledAt(pod) is not { } scheduled)
            return;
        if (PodWorkload.From(pod, stores) is not { } top)
        {
            if (!gone)
                lock (_gate)
                    _ownerMissing[pod.Metadata.Uid] = pod;
            return;
        }
        var now = time.GetUtcNow();
        var end = EndOf(pod, scheduled, gone, now, lastSeen, () =>
            PodBounds.Get(top.Key, pod.Metadata.Name, pod.Metadata.Uid, scheduled, stores)
        );
        var devices = stores.Nodes.Store.Get(null, pod.Spec.NodeName!) is { } node ? stores.Gpus.DevicesOf(node) : null;
        var share = request.ShareOn(devices);
        var changed = ledger.Observe(
            new PodObservation
            {
                Uid = pod.Metadata.Uid,
                Pod = pod.Metadata.Name,
                Workload = top.Key,
                Class = top.Class,
                Labels = top.Labels,
                Node = pod.Spec.NodeName!,
                // A unit with an unknown share of a card has no price, so its resource is named. A claim's request is not settled before
                // its allocation.
                Product =
                    request.IsPending ? ""
                    : share.IsKnown ? ProductOf(devices, pod)
                    : devices is { Product.Length: > 0 } ? $"{request.Name} of {devices.Product}"
                    : request.Name,
                Gpus = request.Units,
                Share = share,
                Claims = request.Claims ?? [],
                ScheduledAt = scheduled,
                // A pod that ends during its deletion was stopped.
                Succeeded = PodTimes.IsOver(pod) && pod.Metadata.DeletionTimestamp is null ? pod.Status.Phase == "Succeeded" : null,
                IsGone = gone,
                ObservedAt = now,
            }.EndedAt(end)
        );
        if (end is not null)
            progress.Forget(top.Key.Uid, pod.Metadata.Uid);
        if (changed)
            Changed?.Invoke(top.Key);
    }
}
