using Bursar.Core.Ledger;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>Upper bounds of a pod's end that follow from other objects than the pod.</summary>
internal static class PodBounds
{
    /// <summary>
    /// A controller writes its start time in the pass that creates its pods. Only a much later start time belongs to a later run.
    /// </summary>
    private static readonly TimeSpan SameStart = TimeSpan.FromSeconds(10);

    /// <summary>Letters of the random parts that Kubernetes generates (apimachinery, pkg/util/rand), which has no vowels.</summary>
    private const string RandomLetters = "bcdfghjklmnpqrstvwxz2456789";

    public static IEnumerable<DateTimeOffset> Get(WorkloadKey workload, string pod, string uid, DateTimeOffset since, ClusterStores stores)
    {
        // Another pod can have the name only after this pod is gone.
        if (
            stores.Pods.Store.Get(workload.Namespace, pod) is { Metadata: { CreationTimestamp: { } taken } namesake }
            && namesake.Uid != uid
        )
            yield return taken;
        if (stores.CacheOf(workload.Kind)?.Get(workload.Namespace, workload.Name) is { } top)
            foreach (var bound in Get(top, top.Metadata.Uid == workload.Uid, since))
                yield return bound;
        else if (workload.Kind == "Job")
            foreach (var bound in NextRunsOf(workload, since, stores))
                yield return bound;
        if (JobOf(workload, pod, stores) is not { } job || job.Metadata.Uid == workload.Uid)
            yield break;
        // A JobSet that restarts creates its Jobs again with the same names.
        foreach (var bound in Get(job, !(job.Metadata.CreationTimestamp > since + SameStart), since))
            yield return bound;
    }

    /// <summary>
    /// Returns when missing pods were replaced, by UID. A controller that keeps N pods creates a new one after another has ended. If
    /// several ended, the oldest ended first.
    /// </summary>
    public static IReadOnlyDictionary<string, DateTimeOffset> Replaced(IReadOnlyCollection<OpenPod> vanished, ClusterStores stores)
    {
        var replaced = new Dictionary<string, DateTimeOffset>(StringComparer.Ordinal);
        if (vanished.Count == 0)
            return replaced;
        var present = stores
            .Pods.Store.List()
            .Where(pod => PodTimes.ScheduledAt(pod) is not null)
            .ToLookup(pod => PodWorkload.UidOf(pod, stores) ?? "", StringComparer.Ordinal);
        foreach (var gone in vanished.GroupBy(open => open.Workload))
        {
            var workload = gone.Key;
            if (stores.CacheOf(workload.Kind)?.Get(workload.Namespace, workload.Name) is not { } work || work.Metadata.Uid != workload.Uid)
                continue;
            var most = work.PodSets.Where(set => set.Request.IsAny).Sum(set => set.Count);
            var open = gone.OrderBy(one => one.Since).ThenBy(one => one.Uid, StringComparer.Ordinal).ToList();
            var running = new List<V1Pod>();
            foreach (var pod in present[workload.Uid].OrderBy(PodTimes.ScheduledAt))
            {
                var at = PodTimes.ScheduledAt(pod)!.Value;
                running.RemoveAll(one => PodTimes.FinishedAt(one) <= at);
                running.Add(pod);
                while (open.Count + running.Count > most && open.FindIndex(one => one.Since < at) is >= 0 and var first)
                {
                    // In a rollout the old pod stays until the new one is ready.
                    replaced[open[first].Uid] =
                        IsOfSameTemplate(open[first].Pod, pod.Metadata.Name)
                        || pod.Status.Condition("Ready") is not { Status: "True", LastTransitionTime: { } ready }
                            ? at
                            : ready;
                    open.RemoveAt(first);
                }
            }
        }
        return replaced;
    }

    /// <summary>
    /// Returns the workload to which a pod belonged, by its name and time; null if no existing workload can have created it.
    /// </summary>
    public static WorkloadObject? OwnerByName(OpenPod pod, ClusterStores stores) =>
        stores
            .Kinds.SelectMany(kind => kind.In(pod.Workload.Namespace))
            .Where(work =>
                work.HasGpus
                && pod.Pod.StartsWith(work.Metadata.Name + "-", StringComparison.Ordinal)
                && work.Metadata.CreationTimestamp <= pod.Since
                && !(work.EndedAt < pod.Since)
                && IsGenerated(pod.Pod[(work.Metadata.Name.Length + 1)..], work.Kind)
                && !PodWorkload.BelongsToAnother(work, stores)
            )
            .MaxBy(work => work.Metadata.Name.Length);

    /// <summary>
    /// Whether a controller generated the rest of the name. Controllers append ordinals and random text to a workload's name. Those of
    /// training kinds also append a pod's role, such as <c>worker</c>.
    /// </summary>
    private static bool IsGenerated(string suffix, WorkloadKind kind)
    {
        var segments = suffix.Split('-');
        static bool IsOrdinalOrRandom(string segment) =>
            segment.Length > 0
            && (segment.All(char.IsAsciiDigit) || segment.Length >= 5 && segment.All(letter => RandomLetters.Contains(letter)));
        return kind.Scales || kind.Name == "Job" ? segments.All(IsOrdinalOrRandom) : IsOrdinalOrRandom(segments[^1]);
    }

    private static IEnumerable<DateTimeOffset> Get(WorkloadObject owner, bool isTheSame, DateTimeOffset since)
    {
        // The owner and its pods were deleted before another object could have its name.
        if (!isTheSame)
        {
            if (owner.Metadata.CreationTimestamp is { } made)
                yield return made;
            yield break;
        }
        if (owner.EndedAt is { } ended)
            yield return ended;
        if (owner.SuspendedAt is { } suspended)
            yield return suspended + owner.TerminationGrace;
        // Restarted after a suspension, which ended the pods of the previous run.
        if (owner.StartTime is { } started && started > since + SameStart)
            yield return started;
    }

    /// <summary>
    /// Returns when the CronJob of a deleted Job started its later runs. Unless it allows concurrent runs, the earlier run had ended by
    /// then, or its pods had only their termination grace left. A run is named after the CronJob and the minute of its schedule.
    /// </summary>
    private static IEnumerable<DateTimeOffset> NextRunsOf(WorkloadKey run, DateTimeOffset since, ClusterStores stores) =>
        from job in stores.CacheOf("Job")!.In(run.Namespace)
        where
            job.Metadata.ControllerReference() is { Kind: "CronJob" } owner
            && IsRunOf(owner.Name, run.Name)
            && IsRunOf(owner.Name, job.Metadata.Name)
            && stores.CronJobs.Store.Get(run.Namespace, owner.Name) is { Spec.ConcurrencyPolicy: "Forbid" or "Replace" } cronJob
            && cronJob.Metadata.Uid == owner.Uid
            && cronJob.Metadata.CreationTimestamp <= since
            && job.Metadata.CreationTimestamp > since + SameStart
        select job.Metadata.CreationTimestamp!.Value + job.TerminationGrace;

    private static bool IsRunOf(string cronJob, string job) =>
        job.Length > cronJob.Length + 1
        && job.StartsWith(cronJob + "-", StringComparison.Ordinal)
        && job.AsSpan(cronJob.Length + 1).IndexOfAnyExceptInRange('0', '9') < 0;

    /// <summary>Returns the Job between a pod and its workload. The names of a Job's pods start with its name.</summary>
    private static WorkloadObject? JobOf(WorkloadKey workload, string pod, ClusterStores stores) =>
        stores
            .Jobs.Store.ByIndex(Indexes.Namespace, workload.Namespace)
            .Where(job => pod.StartsWith(job.Metadata.Name + "-", StringComparison.Ordinal) && BelongsTo(job.Metadata, workload, stores))
            .MaxBy(job => job.Metadata.Name.Length)
            is { } found
            ? stores.CacheOf("Job")!.Get(workload.Namespace, found.Metadata.Name)
            : null;

    private static bool BelongsTo(V1ObjectMeta metadata, WorkloadKey workload, ClusterStores stores)
    {
        while (metadata.Uid != workload.Uid)
        {
            if (metadata.ControllerReference() is not { } owner)
                return false;
            if (owner.Uid == workload.Uid)
                return true;
            if (stores.CacheOf(owner)?.MetadataOf(workload.Namespace, owner.Name) is not { } above || above.Uid != owner.Uid)
                return false;
            metadata = above;
        }
        return true;
    }

    private static bool IsOfSameTemplate(string left, string right) =>
        left[..Math.Max(0, left.LastIndexOf('-'))] == right[..Math.Max(0, right.LastIndexOf('-'))];
}
