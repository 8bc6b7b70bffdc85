using Bursar.Core.Ledger;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>
/// Kueue, from its source (pkg/controller/jobframework/reconciler.go, tried on its manager): a job whose Workload is admitted is started
/// whenever it is seen suspended, and one whose Workload is not is suspended whenever it is seen running. So the Workload is
/// deactivated: Kueue evicts it, suspends the job, frees the quota, and queues it anew when it is active again. Kueue deactivates Workloads
/// of its own accord too; only what the ledger holds is ever activated.
/// </summary>
internal sealed class KueueAdapter() : ManagerAdapter(OptionName)
{
    public const string OptionName = "Kueue";

    public const string QueueLabel = "kueue.x-k8s.io/queue-name";

    /// <summary>Index of Workloads by the job that they were made for, which their label names where no owner does.</summary>
    public const string JobUidIndex = "kueue-job-uid";

    private const string JobUidLabel = "kueue.x-k8s.io/job-uid";
    private const string Field = "/spec/active";

    public override IReadOnlyList<EntityKind> Entities { get; } = [V1Workload.EntityKind, V1Beta1Workload.EntityKind];

    public override ManagerState? Of(WorkloadObject work, ClusterStores stores)
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
    /// One slice that waits and is active is enough for Kueue to start the job again, also where it was made since: then the job is not
    /// stopped, whatever the Workload that was deactivated says.
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
    /// The Workloads of a job: one, or the slices of an elastic job (pkg/workloadslicing): the one that holds quota, and one that replaces
    /// it as soon as it gets its own. The one that holds quota runs the job, so it comes first, and those that are over come only where
    /// there is no other. When the first is evicted, Kueue finishes it and goes on with the second: both must be inactive for the job to
    /// stay stopped.
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
