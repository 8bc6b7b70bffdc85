using Bursar.Core.Ledger;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>
/// JobSet (jobset.x-k8s.io/v1alpha2). According to its source (pkg/controllers/jobset_controller.go), spec.suspend is copied to its Jobs
/// one by one, and the JobSet ends when they do. So during a suspension an exit code means the same as for a Job: 0 is no completion, other
/// codes do not count toward any limit, and a FailJob rule fails the Job and, by failurePolicy, the JobSet. On a resume the same Jobs
/// continue, and maxRestarts is not affected. Tried with its own controller (RealJobSetTests).
/// </summary>
internal sealed class JobSetKind() : WorkloadKind<V1Alpha2JobSet>(WorkloadClass.Training, SuspendField)
{
    private const string Controller = "jobset.sigs.k8s.io/jobset-controller";
    private const string ReplicatedJobLabel = "jobset.sigs.k8s.io/replicatedjob-name";

    /// <summary>Most parts of a JobSet that are ordered by their dependencies, which bounds the search in <see cref="AtOnce"/>.</summary>
    private const int MostOrdered = 12;

    public override string PodLabel => "jobset.sigs.k8s.io/jobset-name";

    public override WorkloadObject Read(V1Alpha2JobSet set) =>
        new()
        {
            Kind = this,
            Metadata = set.Metadata,
            Field = Json(set.Spec.Suspend),
            IsFinished =
                set.Status.TerminalState is { Length: > 0 }
                || set.Status.Conditions.Any(condition => condition is { Type: "Completed" or "Failed", Status: "True" }),
            SucceededAt = Since(set.Status.Conditions, "Completed"),
            EndedAt = Since(set.Status.Conditions, "Completed") ?? Since(set.Status.Conditions, "Failed"),
            SuspendedAt = Since(set.Status.Conditions, "Suspended"),
            WhyNot =
                set.Spec.ManagedBy is { Length: > 0 } manager && manager != Controller ? $"spec.managedBy is {manager}"
                : set.Spec.ReplicatedJobs.FirstOrDefault(job => JobKind.FailsOnStop(job.Template.Spec)) is { } job
                    ? $"the podFailurePolicy of its {job.Name} has a FailJob rule that a stopped pod could match, which would fail the Job for good"
                : null,
            PodSets =
            [
                .. set.Spec.ReplicatedJobs.Select(job => new PodSet(
                    PodSet.Times(job.Replicas ?? 1, JobKind.AtOnce(job.Template.Spec, V1JobStatus.Empty)),
                    job.Template.Spec.Template
                )),
            ],
            Pieces = PiecesOf(set.Spec, _ => []),
            Parts = set.Spec,
            StartTime = set.Status.StartTime,
            // Without a start time JobSet's controller ignores its deadline (pkg/controllers/active_deadline.go).
            ActiveDeadlineSeconds = set.Status.StartTime is null ? null : set.Spec.ActiveDeadlineSeconds,
        };

    /// <summary>Adds the state of its Jobs, where its progress is recorded.</summary>
    public override WorkloadObject Complete(WorkloadObject work, ClusterStores stores)
    {
        if (work.Parts is not { } spec)
            return work;
        var jobs = stores
            .CacheOf("Job")!
            .OwnedBy(work.Metadata.Uid)
            .Select(part => stores.Jobs.Store.Get(work.Namespace, part.Name))
            .OfType<V1Job>()
            .ToLookup(job => job.Metadata.Labels.GetValueOrDefault(ReplicatedJobLabel, ""), StringComparer.Ordinal);
        if (jobs.Count == 0)
            return work;
        var deadline = DeadlineOf(spec, jobs, template => stores.Gpus.OfTemplate(template, work.Namespace).IsAny);
        if (
            work is { ActiveDeadlineSeconds: { } seconds, StartTime: { } start }
            && !(deadline is { } ofJobs && ofJobs.StartTime.AddSeconds(ofJobs.Seconds) <= start.AddSeconds(seconds))
        )
            deadline = (start, seconds);
        return work with
        {
            WhyNot = work.WhyNot
                ?? (
                    jobs.SelectMany(part => part).FirstOrDefault(job => !IsOver(job) && JobKind.CompletesOnStop(job)) is { } queue
                        ? $"its Job {queue.Metadata.Name} has no completions and one of its pods has succeeded, so Kubernetes would complete it as soon as the others are stopped"
                        : null
                ),
            PodSets =
            [
                .. spec.ReplicatedJobs.Select(part => new PodSet(
                    (int)
                        Math.Min(
                            int.MaxValue,
                            jobs[part.Name].Sum(job => IsOver(job) ? 0L : JobKind.AtOnce(job.Spec, job.Status))
                                + PodSet.Times(
                                    (part.Replicas ?? 1) - jobs[part.Name].Count(),
                                    JobKind.AtOnce(part.Template.Spec, V1JobStatus.Empty)
                                )
                        ),
                    part.Template.Spec.Template
                )),
            ],
            Pieces = PiecesOf(spec, name => [.. jobs[name]]),
            StartTime = deadline?.StartTime ?? jobs.SelectMany(part => part).Min(job => job.Status.StartTime),
            ActiveDeadlineSeconds = deadline?.Seconds,
        };
    }

    /// <summary>
    /// Returns the latest deadline of the Jobs with GPUs. A JobSet without restarts ends when a Job fails by its own deadline, so by then
    /// all these parts have ended.
    /// </summary>
    private static (DateTimeOffset StartTime, long Seconds)? DeadlineOf(
        V1Alpha2JobSetSpec spec,
        ILookup<string, V1Job> jobs,
        Func<V1PodTemplateSpec, bool> hasGpus
    )
    {
        if (spec.FailurePolicy?.MaxRestarts > 0)
            return null;
        (DateTimeOffset StartTime, long Seconds)? last = null;
        foreach (var part in spec.ReplicatedJobs.Where(part => hasGpus(part.Template.Spec.Template)))
        {
            if (
                part.Template.Spec.ActiveDeadlineSeconds is not (>= 0 and <= WorkloadObject.LongestDeadline and var seconds)
                || jobs[part.Name].Count() < (part.Replicas ?? 1)
            )
                return null;
            foreach (var job in jobs[part.Name].Where(job => !IsOver(job)))
            {
                if (job.Status.StartTime is not { } start)
                    return null;
                if (last is not { } other || start.AddSeconds(seconds) > other.StartTime.AddSeconds(other.Seconds))
                    last = (start, seconds);
            }
        }
        return last;
    }

    private static PieceSet[] PiecesOf(V1Alpha2JobSetSpec spec, Func<string, IReadOnlyList<V1Job>> jobs)
    {
        var before = Before(spec);
        var targets = spec.SuccessPolicy?.TargetReplicatedJobs ?? [];
        var pieces = new List<PieceSet>();
        for (var i = 0; i < spec.ReplicatedJobs.Count; i++)
        {
            var (part, one) = (spec.ReplicatedJobs[i], spec.ReplicatedJobs[i].Template.Spec);
            // The API server sets one completion if neither field is set.
            if ((one.Completions ?? (one.Parallelism is null ? 1 : null)) is { } completions)
                pieces.Add(
                    new(
                        PodSet.Times(part.Replicas ?? 1, completions),
                        PodSet.Times(part.Replicas ?? 1, Math.Max(0, Math.Min(one.Parallelism ?? 1, completions))),
                        one.Template
                    )
                    {
                        Jobs = jobs(part.Name),
                        Stage = StageOf(i, before),
                        Follows = targets.Count > 0 && !targets.Contains(part.Name),
                        // With the operator Any the first completed Job ends the JobSet. Jobs of one part progress alike, so use the end of the part.
                        Suffices = spec.SuccessPolicy?.Operator == "Any" && (targets.Count == 0 || targets.Contains(part.Name)),
                    }
                );
        }
        return [.. pieces];
    }

    private static int StageOf(int part, HashSet<int>[] before) =>
        before[part].Count == 0 ? 0 : 1 + before[part].Max(earlier => StageOf(earlier, before));

    /// <summary>
    /// Returns the pods that can run at the same time. Of parts that run one after the other (dependsOn with status Complete), these are
    /// the parts with the most GPUs together. With startupPolicy InOrder, parts start one after the other and then run in parallel.
    /// </summary>
    public override IReadOnlyList<PodSet> AtOnce(WorkloadObject work)
    {
        if (work.Parts is not { } spec)
            return work.PodSets;
        var sets = work.PodSets.ToArray();
        var before = Before(spec);
        // Only ordered parts with GPUs need a choice.
        var ordered = Enumerable
            .Range(0, sets.Length)
            .Where(i => sets[i].Gpus > 0 && (before[i].Count > 0 || before.Any(one => one.Contains(i))))
            .Take(MostOrdered)
            .ToArray();
        var chosen = MostGpus(0, []).Parts;
        foreach (var i in ordered)
            if (!chosen.Contains(i))
                sets[i] = sets[i] with { Count = 0 };
        return sets;

        (int Gpus, int[] Parts) MostGpus(int next, int[] taken)
        {
            if (next == ordered.Length)
                return (taken.Sum(i => sets[i].Gpus), taken);
            var without = MostGpus(next + 1, taken);
            if (taken.Any(i => before[i].Contains(ordered[next]) || before[ordered[next]].Contains(i)))
                return without;
            var with = MostGpus(next + 1, [.. taken, ordered[next]]);
            return with.Gpus > without.Gpus ? with : without;
        }
    }

    /// <summary>Returns for each part the parts that must have ended before it starts.</summary>
    private static HashSet<int>[] Before(V1Alpha2JobSetSpec spec)
    {
        var before = new HashSet<int>[spec.ReplicatedJobs.Count];
        for (var i = 0; i < before.Length; i++)
        {
            before[i] = [];
            // JobSet allows a dependency only on an earlier part.
            foreach (var on in spec.ReplicatedJobs[i].DependsOn)
                for (var j = 0; j < i; j++)
                {
                    if (spec.ReplicatedJobs[j].Name != on.Name)
                        continue;
                    before[i].UnionWith(before[j]);
                    if (on.Status == "Complete")
                        before[i].Add(j);
                }
        }
        return before;
    }

    private static bool IsOver(V1Job job) =>
        job.Status.Condition("Complete") is { Status: "True" } || job.Status.Condition("Failed") is { Status: "True" };
}
