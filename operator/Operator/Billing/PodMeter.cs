using Bursar.Core.Ledger;
using Bursar.Core.Prices;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;
using Bursar.Operator.Cluster.Gpus;
using Bursar.Operator.Telemetry;

namespace Bursar.Operator.Billing;

/// <summary>
/// Books every pod that holds GPUs, from the API's own times. Level-triggered: it may be told of a pod any number of
/// times, and after a restart of all of them again.
/// </summary>
internal sealed class PodMeter(
    ClusterStores stores,
    GpuLedger ledger,
    ProgressTracker progress,
    TimeProvider time,
    DeletedPodTracker? departed = null
)
{
    /// <summary>Longer than the API takes to show a pod of which an agent has told.</summary>
    private static readonly TimeSpan LateWord = TimeSpan.FromMinutes(5);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, V1Pod> _ownerMissing = new(StringComparer.Ordinal);

    /// <summary>Called with each workload whose booked work changed.</summary>
    public event Action<WorkloadKey>? Changed;

    public void Observe(V1Pod pod) => Book(pod, gone: false);

    public void ObserveGone(V1Pod pod)
    {
        lock (_gate)
            _ownerMissing.Remove(pod.Metadata.Uid);
        Book(pod, gone: true);
    }

    /// <summary>The pod went while the API server could not be watched.</summary>
    public void ObserveGoneUnseen(V1Pod pod)
    {
        lock (_gate)
            _ownerMissing.Remove(pod.Metadata.Uid);
        Book(pod, gone: true, stores.Pods.Health.LastSync);
    }

    /// <summary>A link of a chain came: pods that waited for their chain of owners are booked.</summary>
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

    /// <summary>A claim was allocated, or came: the pods that use it hold what it has.</summary>
    public void ObserveClaim(V1ResourceClaim claim)
    {
        foreach (var pod in stores.Pods.Store.ByIndex(Indexes.Namespace, claim.Metadata.Namespace ?? ""))
            if (
                pod.Spec.ResourceClaims.Any(one => (one.ClaimName ?? pod.Status.ClaimNameOf(one.Name)) == claim.Metadata.Name)
                || pod.Status.ExtendedResourceClaim?.ClaimName == claim.Metadata.Name
            )
                Book(pod, gone: false);
    }

    /// <summary>A node told what its devices are: its pods' parts of them are booked by that.</summary>
    public void ObserveOn(string node)
    {
        foreach (var pod in stores.Pods.Store.List())
            if (pod.Spec.NodeName == node)
                Book(pod, gone: false);
    }

    /// <summary>
    /// Closes what the ledger still bills and the API no longer shows. A replica that stood by saw when it went; where no process watched,
    /// the end lies between the ledger's last write and now, and every other fact bounds it.
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
                .Of(open.Workload, open.Pod, open.Uid, open.Since, stores)
                .Concat(replaced.TryGetValue(open.Uid, out var at) ? [at] : []);
            ledger.Observe(
                new PodObservation
                {
                    Uid = open.Uid,
                    Pod = open.Pod,
                    Workload = open.Workload,
                    Class = PodWorkload.ClassOf(open.Workload.Kind, V1ObjectMeta.Empty, null),
                    // The labels of the first observation stand.
                    Labels = StringMap.Empty,
                    Node = open.Node,
                    Gpus = open.Gpus,
                    ScheduledAt = open.Since,
                    IsGone = true,
                    ObservedAt = now,
                }.EndedAt(
                    departed?.Find(open.Uid) is { } seen
                        ? EndOf(seen.Pod, open.Since, gone: true, seen.At, seen.LastSeenAt, () => bounds)
                        : PodEnd.Of(
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

    /// <summary>What was allocated for a claim is settled, also on a node that tells no product.</summary>
    private static string ProductOf(NodeDevices? devices, V1Pod pod) =>
        devices is { Product.Length: > 0 } ? devices.Product
        : pod.Spec.ResourceClaims.Count > 0 && devices is not null ? PriceClass.UnknownProduct
        : "";

    /// <summary>
    /// Books pods that came and went while no process watched: the node's agent alone told of them, by name, and their owner may be there
    /// yet. The agent's journal goes on to tell when they began and ended.
    /// </summary>
    public void ObserveJournalOf(string node)
    {
        var now = time.GetUtcNow();
        foreach (var pod in ledger.JournalPods(node))
        {
            // A pod that began a moment ago is told by the API too.
            if (
                now - pod.LastProof < LateWord
                || stores.Pods.Store.GetByUid(pod.Uid) is not null
                || PodBounds.OwnerByName(pod, stores) is not { } owner
            )
                continue;
            var request = owner.PodSets.First(set => set.Request.IsAny).Request;
            var devices = stores.Nodes.Store.Get(null, node) is { } known ? stores.Gpus.DevicesOf(known) : null;
            var top = PodWorkload.Of(owner);
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

    /// <summary>The end of a pod by its last state; null while it runs.</summary>
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
        // It was seen to run until it went.
        if (!over && !(lastSeen < observed))
            return new(observed, observed, IsExact: false);
        var facts = PodTimes.EndFacts(pod, scheduled, observed);
        return PodEnd.Of(facts) is { IsExact: true } exact
            ? exact
            : PodEnd.Of(facts with { LastSeenAt = over ? facts.LastSeenAt : lastSeen, Bounds = [.. bounds()] });
    }

    /// <param name="pod">Its last state.</param>
    /// <param name="gone">The API shows it no longer.</param>
    /// <param name="lastSeen">When it was last known to be there, where its going was not seen.</param>
    private void Book(V1Pod pod, bool gone, DateTimeOffset? lastSeen = null)
    {
        var request = stores.Gpus.OfPod(pod);
        // Its GPU is billed to the pods that have parts of it; what nobody has of it is the node's, unallocated.
        if (!request.IsAny || KaiSharing.IsReservation(pod) || PodTimes.ScheduledAt(pod) is not { } scheduled)
            return;
        if (PodWorkload.Of(pod, stores) is not { } top)
        {
            if (!gone)
                lock (_gate)
                    _ownerMissing[pod.Metadata.Uid] = pod;
            return;
        }
        var now = time.GetUtcNow();
        var end = EndOf(pod, scheduled, gone, now, lastSeen, () =>
            PodBounds.Of(top.Key, pod.Metadata.Name, pod.Metadata.Uid, scheduled, stores)
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
                // A unit of which nobody can say what part of a card it is is named with its resource: it has no price. What a claim asks
                // for is not settled before it is allocated.
                Product =
                    request.IsPending ? ""
                    : share.IsKnown ? ProductOf(devices, pod)
                    : devices is { Product.Length: > 0 } ? $"{request.Name} of {devices.Product}"
                    : request.Name,
                Gpus = request.Units,
                Share = share,
                Claims = request.Claims ?? [],
                ScheduledAt = scheduled,
                // A pod that ends while it is being deleted was stopped.
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
