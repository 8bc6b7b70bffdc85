using Bursar.Core.Ledger;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>
/// Kueue. According to its source (pkg/controller/jobframework/reconciler.go, tried with its manager), it starts every suspended job whose
/// Workload is admitted and suspends every running job whose Workload is not. So Bursar deactivates the Workload: Kueue evicts it, suspends
/// the job, releases the quota, and queues it again once it is active. Kueue also deactivates Workloads itself. Bursar only activates those
/// in its records.
/// </summary>
internal sealed class KueueAdapter() : ManagerAdapter(OptionName)
{
    public const string OptionName = "Kueue";

    public const string QueueLabel = "kueue.x-k8s.io/queue-name";

    /// <summary>Index of Workloads by their job, which a label names if there is no owner.</summary>
    public const string JobUidIndex = "kueue-job-uid";

    private const string JobUidLabel = "kueue.x-k8s.io/job-uid";
    private const string Field = "/spec/active";

    public override IReadOnlyList<EntityKind> Entities { get; } = [V1Workload.EntityKind, V1Beta1Workload.EntityKind];

    public override ManagerState? GetState(WorkloadObject work, ClusterStores stores)
    {
        if (work.Kind.Serves || !IsServed(stores))
            return null;
        if (Find(work.Metadata.Uid, stores) is var (entity, slices) && slices.Count > 0)
        {
            var workload = slices[0];
            var active = workload.Spec.Active != false;
            var reserved = workload.Status.Has("QuotaReserved");
            return new()
            {
                Manager = $"Kueue manages it (Workload {workload.Metadata.Name})",
                Field = new()
                {
                    Entity = entity,
                    Object = workload.Metadata,
                    Field = Field,
                    Value = Text(workload),
                    Stopped = "false",
                    On = "true",
                    Also = [.. slices.Skip(1).Select(slice => slice.Metadata)],
                },
                WaitsIn = active && work.IsStopped && !reserved ? $"in Kueue's queue {workload.Spec.QueueName}" : null,
                IsNext = active && work.IsStopped && reserved,
            };
        }
        if (!work.Metadata.Labels.TryGetValue(QueueLabel, out var queue) || work.IsFinished)
            return null;
        var why = $"Kueue has not made its Workload yet ({QueueLabel}: {queue})";
        return new()
        {
            Manager = why,
            WhyNot = why,
            WaitsIn = work.IsStopped ? $"for Kueue's queue {queue}" : null,
        };
    }

    /// <summary>
    /// Returns the field's current value. One active Workload that is not finished is enough for Kueue to start the job, even if it was
    /// created after Bursar deactivated another one.
    /// </summary>
    public override string? ValueOf(string ns, ObjectRef target, string field, ClusterStores stores)
    {
        if (Get(ns, target.Name, stores) is not { } workload || workload.Metadata.Uid != target.Uid)
            return null;
        var active = JobOf(workload) is { } job
            ? Find(job, stores).Slices.FirstOrDefault(slice => !slice.Status.Has("Finished") && slice.Spec.Active != false)
            : null;
        return Text(active ?? workload);
    }

    private static string? JobOf(IKueueWorkload workload) =>
        workload.Metadata.ControllerReference()?.Uid ?? workload.Metadata.Labels.GetValueOrDefault(JobUidLabel);

    public static IEnumerable<string> JobUids(IKueueWorkload workload) =>
        workload.Metadata.Labels.TryGetValue(JobUidLabel, out var uid) ? [uid] : [];

    private static bool IsServed(ClusterStores stores) => stores.KueueWorkloads.IsServed || stores.OldKueueWorkloads.IsServed;

    private static IKueueWorkload? Get(string ns, string name, ClusterStores stores) =>
        (IKueueWorkload?)stores.KueueWorkloads.Store.Get(ns, name) ?? stores.OldKueueWorkloads.Store.Get(ns, name);

    /// <summary>
    /// Returns the Workloads of a job. An elastic job has slices (pkg/workloadslicing): the one with quota, and one that replaces it as
    /// soon as it gets quota. The one with quota runs the job and comes first. Finished ones are returned only if there is no other. When
    /// the first is evicted, Kueue finishes it and continues with the second, so both must be inactive.
    /// </summary>
    private static (EntityKind Entity, IReadOnlyList<IKueueWorkload> Slices) Find(string uid, ClusterStores stores) =>
        InOrder(stores.KueueWorkloads, uid) is { Count: > 0 } slices
            ? (V1Workload.EntityKind, slices)
            : (V1Beta1Workload.EntityKind, InOrder(stores.OldKueueWorkloads, uid));

    private static List<IKueueWorkload> InOrder<T>(Informer<T> informer, string uid)
        where T : class, IKubernetesEntity<T>, IKueueWorkload
    {
        var found = informer.Store.ByIndex(Indexes.OwnerUid, uid);
        if (found.Count == 0)
            found = informer.Store.ByIndex(JobUidIndex, uid);
        if (found.Count <= 1)
            return [.. found];
        var live = found.Where(one => !one.Status.Has("Finished")).ToArray();
        var ordered = (live.Length > 0 ? live : [.. found])
            .OrderByDescending(one => one.Status.Has("QuotaReserved"))
            .ThenByDescending(one => one.Metadata.CreationTimestamp)
            .ThenBy(one => one.Metadata.Name, StringComparer.Ordinal);
        return live.Length > 0 ? [.. ordered] : [ordered.First()];
    }

    private static string Text(IKueueWorkload workload) =>
        workload.Spec.Active switch
        {
            null => "null",
            true => "true",
            false => "false",
        };
}
