using Bursar.Core.Ledger;
using Bursar.Kube.Informers;
using Bursar.Kube.Objects;
using Bursar.Operator.Kinds;
using Bursar.Operator.Workloads;

namespace Bursar.Operator.Owners;

/// <summary>
/// Kueue, from its source (pkg/controller/jobframework/reconciler.go, tried on its manager): a job whose Workload is admitted is started
/// whenever it is seen suspended, and one whose Workload is not is suspended whenever it is seen running. So the Workload is
/// deactivated: Kueue evicts it, suspends the job, frees the quota, and queues it anew when it is active again. Kueue deactivates Workloads
/// of its own accord too; only what the ledger holds is ever activated.
/// </summary>
public sealed class KueueOwner() : OwnerKind(OptionName)
{
    public const string OptionName = "Kueue";

    public const string QueueLabel = "kueue.x-k8s.io/queue-name";

    /// <summary>Index of Workloads by the job that they were made for, which their label names where no owner does.</summary>
    public const string JobUidIndex = "kueue-job-uid";

    private const string JobUidLabel = "kueue.x-k8s.io/job-uid";
    private const string Field = "/spec/active";

    public override IReadOnlyList<EntityKind> Entities { get; } = [V1Workload.EntityKind, V1Beta1Workload.EntityKind];

    public override OwnerWord? Of(Work work, ClusterStores stores)
    {
        if (work.Kind.Serves || !IsServed(stores)) return null;
        if (Find(work.Metadata.Uid, stores) is var (entity, workload) && workload is not null)
        {
            var active = workload.Spec.Active != false;
            var reserved = workload.Status.Has("QuotaReserved");
            return new()
            {
                Manager = $"Kueue manages it (Workload {workload.Metadata.Name})",
                Switch = new()
                {
                    Entity = entity,
                    Object = workload.Metadata,
                    Field = Field,
                    Value = Text(workload),
                    Stopped = "false",
                    On = "true",
                },
                WaitsIn = active && work.IsStopped && !reserved ? $"in Kueue's queue {workload.Spec.QueueName}" : null,
                IsNext = active && work.IsStopped && reserved,
            };
        }
        if (!work.Metadata.Labels.TryGetValue(QueueLabel, out var queue) || work.IsFinished) return null;
        var why = $"Kueue has not made its Workload yet ({QueueLabel}: {queue})";
        return new() { Manager = why, WhyNot = why, WaitsIn = work.IsStopped ? $"for Kueue's queue {queue}" : null };
    }

    public override string? ValueOf(string ns, ParkedTarget target, string field, ClusterStores stores) =>
        Get(ns, target.Name, stores) is { } workload && workload.Metadata.Uid == target.Uid ? Text(workload) : null;

    public static IEnumerable<string> JobUids(IKueueWorkload workload) =>
        workload.Metadata.Labels.TryGetValue(JobUidLabel, out var uid) ? [uid] : [];

    private static bool IsServed(ClusterStores stores) => stores.KueueWorkloads.IsServed || stores.OldKueueWorkloads.IsServed;

    private static IKueueWorkload? Get(string ns, string name, ClusterStores stores) =>
        (IKueueWorkload?)stores.KueueWorkloads.Store.Get(ns, name) ?? stores.OldKueueWorkloads.Store.Get(ns, name);

    /// <summary>A job has one Workload; where Kueue is about to replace it, the newest that is not over counts.</summary>
    private static (EntityKind Entity, IKueueWorkload? Workload) Find(string uid, ClusterStores stores) =>
        Newest(stores.KueueWorkloads, uid) is { } one ? (V1Workload.EntityKind, one) : (V1Beta1Workload.EntityKind, Newest(stores.OldKueueWorkloads, uid));

    private static T? Newest<T>(Informer<T> informer, string uid)
        where T : class, IKubernetesEntity<T>, IKueueWorkload
    {
        var found = informer.Store.ByIndex(Indexes.OwnerUid, uid);
        if (found.Count == 0) found = informer.Store.ByIndex(JobUidIndex, uid);
        return found.Count <= 1 ? found.FirstOrDefault()
            : found.OrderBy(one => one.Status.Has("Finished")).ThenByDescending(one => one.Metadata.CreationTimestamp).ThenBy(one => one.Metadata.Name, StringComparer.Ordinal).First();
    }

    private static string Text(IKueueWorkload workload) => workload.Spec.Active switch { null => "null", true => "true", false => "false" };
}
