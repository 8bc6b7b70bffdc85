using Bursar.Core.Ledger;
using Bursar.Kube.Objects;
using Bursar.Operator.Workloads;

namespace Bursar.Operator.Metering;

/// <summary>
/// Books every pod that holds GPUs, from the API's own times. Level-triggered: it may be told of a pod any number of
/// times, and after a restart of all of them again.
/// </summary>
public sealed class PodMeter(ClusterStores stores, GpuLedger ledger, ProgressBoard progress, TimeProvider time, DepartedPods? departed = null)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, V1Pod> _ownerMissing = new(StringComparer.Ordinal);

    /// <summary>Called with each workload whose booked work changed.</summary>
    public event Action<WorkloadKey>? Changed;

    public void Observe(V1Pod pod) => Book(pod, gone: false);

    public void ObserveGone(V1Pod pod)
    {
        lock (_gate) _ownerMissing.Remove(pod.Metadata.Uid);
        Book(pod, gone: true);
    }

    /// <summary>A link of a chain came: pods that waited for their chain of owners are booked.</summary>
    public void ObserveOwner(string ns)
    {
        V1Pod[] waiting;
        lock (_gate)
        {
            waiting = _ownerMissing.Values.Where(p => p.Metadata.Namespace == ns).ToArray();
            foreach (var pod in waiting) _ownerMissing.Remove(pod.Metadata.Uid);
        }
        foreach (var pod in waiting) Book(pod, gone: false);
    }

    /// <summary>A node told what its devices are: its pods' parts of them are booked by that.</summary>
    public void ObserveOn(string node)
    {
        foreach (var pod in stores.Pods.Store.List())
            if (pod.Spec.NodeName == node) Book(pod, gone: false);
    }

    /// <summary>
    /// Closes what the ledger still bills and the API no longer shows. A replica that stood by saw when it went; where
    /// nobody watched, its end is the moment this is noticed, for nothing proves an earlier one.
    /// </summary>
    public void CloseVanished()
    {
        var now = time.GetUtcNow();
        var present = stores.Pods.Store.List().Select(p => p.Metadata.Uid).ToHashSet(StringComparer.Ordinal);
        foreach (var open in ledger.OpenPods())
        {
            if (present.Contains(open.Uid)) continue;
            var seen = departed?.Find(open.Uid);
            var finished = seen is { } last ? PodTimes.FinishedAt(last.Pod) : null;
            ledger.Observe(new()
            {
                Uid = open.Uid,
                Pod = open.Pod,
                Workload = open.Workload,
                Class = TopWorkload.ClassOf(open.Workload.Kind, V1ObjectMeta.Empty, null),
                // The labels of the first observation stand.
                Labels = StringMap.Empty,
                Node = open.Node,
                Gpus = open.Gpus,
                ScheduledAt = open.Since,
                FinishedAt = finished,
                GoneAt = finished is null ? seen?.At ?? now : null,
                IsGone = true,
                ObservedAt = now,
            });
        }
    }

    private void Book(V1Pod pod, bool gone)
    {
        var request = GpuRequest.OfPod(pod);
        // Its GPU is billed to the pods that have parts of it; what nobody has of it is the node's, unallocated.
        if (!request.IsAny || KaiSharing.IsReservation(pod) || PodTimes.ScheduledAt(pod) is not { } scheduled) return;
        if (TopWorkload.Of(pod, stores) is not { } top)
        {
            if (!gone) lock (_gate) _ownerMissing[pod.Metadata.Uid] = pod;
            return;
        }
        var now = time.GetUtcNow();
        var finished = PodTimes.FinishedAt(pod);
        var devices = stores.Nodes.Store.Get(null, pod.Spec.NodeName!) is { } node ? PriceList.DevicesOf(node) : null;
        var share = request.ShareOn(devices);
        var changed = ledger.Observe(new()
        {
            Uid = pod.Metadata.Uid,
            Pod = pod.Metadata.Name,
            Workload = top.Key,
            Class = top.Class,
            Labels = top.Labels,
            Node = pod.Spec.NodeName!,
            // A unit of which nobody can say what part of a card it is is named with its resource: it has no price.
            Product = devices is not { Product.Length: > 0 } ? "" : share.IsKnown ? devices.Product : $"{request.Resources![0].Resource} of {devices.Product}",
            Gpus = request.Units,
            Share = share,
            ScheduledAt = scheduled,
            FinishedAt = finished,
            GoneAt = gone && finished is null ? now : null,
            IsGone = gone,
            ObservedAt = now,
        });
        if (gone || finished is not null) progress.Forget(top.Key.Uid, pod.Metadata.Uid);
        if (changed) Changed?.Invoke(top.Key);
    }
}
