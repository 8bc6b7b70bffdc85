using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Reports;
using Bursar.Core.State;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Billing;
using Bursar.Operator.Cluster;
using Bursar.Operator.Telemetry;

namespace Bursar.Operator.Budgets;

/// <summary>Reads one workload into a snapshot, as one budget sees it. It writes nothing.</summary>
internal sealed class WorkloadObserver(
    ClusterStores stores,
    GpuLedger ledger,
    OperatorState state,
    WorkloadRates rates,
    ProgressTracker progress,
    Func<string, DateTimeOffset?> checkpointAt,
    ElasticTargets elastic
)
{
    /// <summary>Returns the snapshot of a workload. Null if the budget does not select it, or if there is nothing to suspend or to resume.</summary>
    public WorkloadSnapshot? Observe(WorkloadObject work, BudgetFacts facts)
    {
        var (uid, template, budget) = (work.Metadata.Uid, work.Template, facts.Budget);
        var record = facts.Suspensions.GetValueOrDefault(uid);
        // A serving kind that is scaled to zero as a job is trains if its user says so.
        var serves = work.Kind.Serves && !(work.Kind.Scales && (record?.Class ?? work.Class) == WorkloadClass.Training);
        // An object that cannot be read may ask for GPUs. A part, as of an InferenceService, is its owner's.
        if (!work.HasGpus && work.Unreadable is null || !serves && work.IsFinished || PodWorkload.BelongsToAnother(work, stores))
            return null;
        // Suspended workloads match on the labels that they had when suspended, so relabelling cannot escape a budget.
        var labels = record?.Keep(work.Labels) ?? work.Labels;
        if (!budget.Selector.Matches(labels))
            return null;

        var spend = facts.Spends.GetValueOrDefault(uid);
        IReadOnlyList<V1Pod> pods = serves ? [] : PodsOf(uid);
        V1Pod[] live = [.. pods.Where(p => PodTimes.ScheduledAt(p) is not null && !PodTimes.IsOver(p))];
        var runs = serves ? spend is { Gpus: > 0 } : live.Length > 0;
        var standing = SuspensionState.Of(work, facts, runs, stores);
        // A kind that scales, without replicas and taken by no budget, is no work, except for as long as its pods end.
        if (work.IsStopped && (serves || work.Kind.Scales) && standing.Noted is null && !runs)
            return null;
        var sets = SetsOf(work, standing.Rests ? standing.Noted : null);
        var gpus = standing.IsIgnored ? spend?.Gpus ?? 0 : rates.GpusOf(sets, live, spend);
        var rate = standing.IsIgnored ? spend?.RatePerHour : rates.RateOf(sets, gpus, live, spend, budget.Namespace, uid, facts.Now);
        var burn = spend?.RatePerHour ?? HourlyCost.Zero;
        var snapshot = new WorkloadSnapshot
        {
            Key = PodWorkload.Of(work).Key,
            // A job trains whatever its annotation calls it, so that no annotation takes it out of the limit.
            Class = serves ? record?.Class ?? PodWorkload.ClassOf(work.Kind.Name, work.Metadata, template) : WorkloadClass.Training,
            // A Deployment that another client scaled to zero is not suspended: its terminating pods still cost money.
            State =
                !serves || standing.State != WorkloadState.SuspendedByOther ? standing.State
                : runs ? WorkloadState.Running
                : WorkloadState.Pending,
            Exempt = budget.Exempt?.Matches(labels) == true,
            NotSuspendable = standing.NotSuspendable,
            Priority = PriorityOf(template.Spec, live),
            PriorityWithin = BursarAnnotations.ReadPriority(work.Metadata, template),
            CreatedAt = work.Metadata.CreationTimestamp ?? facts.Now,
            IsUnreadable = work.Unreadable is not null,
            RunsOn = standing.RunsOn,
            IgnoresSuspension = standing.IsIgnored,
            Gpus = gpus,
            Rate = rate,
            BurnRate = burn,
            MinReplicasRate = !serves || standing.IsIgnored ? null : elastic.MinimumReplicasRateOf(uid, burn),
            Spent = spend?.Spent ?? Amount.Zero,
            Estimate = Estimate.Unknown("it serves until it is stopped"),
            TerminationGrace = work.TerminationGrace,
            OtherBudgets = standing.OtherBudgets,
            Suspension = standing.SuspensionOf(),
            Consequence =
                !standing.IsStopped ? work.WhatIsLost
                : record?.CronJob is { } cronJob ? Messages.CronJobWaits(cronJob.Object)
                : null,
            ResumeApproved = BursarAnnotations.Read(work.Metadata, null, BursarAnnotations.Resume) == BursarAnnotations.Approved,
            UnitCosts = UnitCostsOf(spend, rate),
        };
        return serves ? snapshot : OfTraining(snapshot, work, facts, standing, pods, live);
    }

    /// <summary>
    /// Returns the snapshot of a workload that costs money and that no object of the caches stands for in this budget: of a kind without an
    /// adapter, or one whose object is gone, has ended or asks for no GPU while its pods hold some. Null while its last pods are ending.
    /// </summary>
    public WorkloadSnapshot? ObserveUnlisted(WorkloadSpend spend, BudgetFacts facts)
    {
        var key = spend.Workload;
        if (stores.Of(key.Kind) is not { IsServed: true } cache)
            return OfOther(spend, SuspensionEligibility.WhyNot(key.Kind), "Bursar has no adapter for its kind");
        if (facts.Running.Value.GetValueOrDefault(key.Uid) == RunningPods.None)
            return null;
        var why = cache.Get(key.Namespace, key.Name, key.Uid) switch
        {
            null => $"its {key.Kind} is gone and its pods still run",
            { IsFinished: true } => $"its {key.Kind} has ended and its pods still run",
            _ => $"its {key.Kind} asks for no GPUs and its pods hold some",
        };
        return OfOther(spend, why, why);
    }

    /// <summary>Returns the snapshot with a training job's forecast, its wait for pods, and its checkpoints.</summary>
    private WorkloadSnapshot OfTraining(
        WorkloadSnapshot snapshot,
        WorkloadObject work,
        BudgetFacts facts,
        SuspensionState standing,
        IReadOnlyList<V1Pod> pods,
        V1Pod[] live
    )
    {
        var (uid, template, memory, now) = (work.Metadata.Uid, work.Template, facts.Memory, facts.Now);
        var (record, ns) = (facts.Suspensions.GetValueOrDefault(uid), facts.Budget.Namespace);
        var paused = standing.Rests || work.IsStopped && !standing.IsNew && !standing.IsIgnored;
        // A record that outlived the job's resume (the operator died between the two writes) says nothing any more.
        var held =
            standing.IsStopped || record is null || !memory.Admitted.TryGetValue(uid, out var admission) || admission.At < record.Since;
        var (series, byAgent) = progress.Latest(uid);
        var said = live.Select(p => ledger.CheckpointOf(p.Metadata.Uid)).OfType<PodCheckpoint>().ToArray();
        var mark = Mark(work, template, series, said, memory);
        if (standing.Rests && record is not null && record.Cause.CheckpointRequestedAt is { } asked)
            series = series.UpTo(asked);
        var pieces = work
            .Pieces.Select(set =>
                set.Count(
                    pods,
                    work.UnitsOf(set),
                    () => ledger.EndedPods(ns, uid),
                    () => ledger.HeldTime(ns, uid, work.Metadata.CreationTimestamp ?? now, now) ?? now - work.StartTime,
                    now
                )
            )
            .ToArray();
        var job = new JobFacts
        {
            EarlierRuns = SeriesRecorder.EarlierRuns(state, work.Metadata, template, pieces),
            // The pods of a sweep report the progress of the pieces that run now, not of those to come.
            Progress = byAgent && pieces.Any(group => group is { Gpus: > 0, ToCome: > 0 }) ? ProgressSeries.Empty : series,
            ProgressReporter = byAgent ? "its node's agent" : "",
            DeclaredSteps = BursarAnnotations.ReadTotalSteps(work.Metadata, template),
            DeclaredDuration = BursarAnnotations.ReadDuration(work.Metadata, template),
            Unreadable = BursarAnnotations.UnreadableLength(work.Metadata, template),
            RunningSince = live.Length == 0 ? null : live.Min(p => PodTimes.ScheduledAt(p)),
            Reported = work.Reported,
            Pieces = pieces,
            Gpus = snapshot.Gpus,
            ActiveDeadline = work.ActiveDeadlineSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : null,
            StartedAt = work.StartTime,
            CheckpointStep = mark?.Step,
        };
        return snapshot with
        {
            Estimate = paused ? Estimator.AfterResume(job) : Estimator.Remaining(job, now),
            EstimateAfterResume = paused ? null : Estimator.AfterResume(job),
            NoPodSince =
                standing is not { State: WorkloadState.Pending, Manager: not { IsNext: true } } ? null
                : standing.OtherBudgets is not null ? SuspendedSince(facts.SuspendedByOtherBudgets[uid], uid, memory)
                : NoPodSince(work, pods),
            QueuedIn = standing.State == WorkloadState.Pending ? standing.Manager?.WaitsIn : null,
            CanCheckpoint =
                said.Length > 0
                || !work.Kind.Scales
                    && BursarAnnotations.Read(work.Metadata, template, BursarAnnotations.Checkpoint) == BursarAnnotations.Supported,
            Checkpoint = mark,
            CheckpointAcknowledged = Acknowledged(said),
            // What is written through its scale alone bears no mirror, and none is missing.
            CheckpointAnnotation = work.Kind.Scales
                ? memory.Checkpoints.GetValueOrDefault(uid)?.Id
                : work.Metadata.Annotations.GetValueOrDefault(BursarAnnotations.CheckpointRequested),
            Suspension = held ? snapshot.Suspension : null,
        };
    }

    /// <summary>A gang is stopped when its last pod is.</summary>
    private WorkloadSnapshot OfOther(WorkloadSpend spend, string whyNot, string noEstimate)
    {
        // At no cost now: without a price, at a price of zero, or on a node that is lost.
        HourlyCost? rate = spend.RatePerHour == HourlyCost.Zero && spend.UnpricedGpuMs > 0 ? null : spend.RatePerHour;
        return new()
        {
            Key = spend.Workload,
            Class = spend.Class,
            State = WorkloadState.Running,
            NotSuspendable = whyNot,
            CreatedAt = spend.Since,
            Gpus = spend.Gpus,
            Rate = rate,
            BurnRate = spend.RatePerHour,
            MinReplicasRate =
                spend.Class == WorkloadClass.Training ? null : elastic.MinimumReplicasRateOf(spend.Workload.Uid, spend.RatePerHour),
            Spent = spend.Spent,
            Estimate = Estimate.Unknown(noEstimate),
            UnitCosts = UnitCostsOf(spend, rate),
        };
    }

    /// <summary>Returns what a unit of the workload's output costs. Null if it has cost nothing in this window.</summary>
    private UnitCosts? UnitCostsOf(WorkloadSpend? spend, HourlyCost? rate) =>
        spend is null ? null : UnitCosts.Of(WorkDone.Of([spend]), rate, Estimator.SecondsPerStep(progress.Series(spend.Workload.Uid)));

    /// <summary>What it comes back with is what it had, not the zero it was given.</summary>
    private static IReadOnlyList<PodSet> SetsOf(WorkloadObject work, SuspensionRecord? held)
    {
        var back = held?.Replicas ?? (work.Kind.Serves && int.TryParse(held?.Field.Original, out var original) ? original : null);
        return back is not { } count ? work.PodSets
            : work.Kind.Scales ? work.PodSetsAt(count)
            : [.. work.PodSets.Take(1).Select(set => set with { Count = count })];
    }

    /// <summary>From when on the last of them held it; what this budget itself let go of is reserved from then.</summary>
    private static DateTimeOffset SuspendedSince(IEnumerable<SuspensionRecord> records, string uid, BudgetMemory memory)
    {
        var since = records.Max(record => record.Since);
        return memory.Admitted.TryGetValue(uid, out var admission) && admission.At > since ? admission.At : since;
    }

    /// <summary>The pods of an object and of all that it owns.</summary>
    private List<V1Pod> PodsOf(string uid)
    {
        var pods = new List<V1Pod>(stores.Pods.Store.ByIndex(Indexes.OwnerUid, uid));
        // Of its own pods alone: those of its parts come with the parts.
        foreach (var leader in pods.Where(pod => pod.Metadata.Labels.ContainsKey(LeaderWorkerSetKind.NameLabel)).ToArray())
        foreach (var workers in stores.Of("StatefulSet")!.OwnedBy(leader.Metadata.Uid))
            pods.AddRange(stores.Pods.Store.ByIndex(Indexes.OwnerUid, workers.Uid));
        foreach (var cache in stores.Kinds)
        foreach (var part in cache.OwnedBy(uid))
            pods.AddRange(PodsOf(part.Uid));
        foreach (var set in stores.ReplicaSets.Store.ByIndex(Indexes.OwnerUid, uid))
            pods.AddRange(stores.Pods.Store.ByIndex(Indexes.OwnerUid, set.Metadata.Uid));
        foreach (var cluster in stores.RayClusters.Store.ByIndex(Indexes.OwnerUid, uid))
            pods.AddRange(stores.Pods.Store.ByIndex(Indexes.OwnerUid, cluster.Metadata.Uid));
        return pods;
    }

    private int PriorityOf(V1PodSpec template, IReadOnlyList<V1Pod> live) =>
        live.Count > 0 ? live[0].Spec.Priority
        : template.PriorityClassName is { Length: > 0 } name ? stores.PriorityClasses.Store.Get(null, name)?.Value ?? 0
        : stores.PriorityClasses.Store.List().FirstOrDefault(c => c.GlobalDefault)?.Value ?? 0;

    private static DateTimeOffset? NoPodSince(WorkloadObject work, IEnumerable<V1Pod> pods)
    {
        var since = work.StartTime ?? work.Metadata.CreationTimestamp;
        foreach (var pod in pods)
            if (PodTimes.FinishedAt(pod) is { } finished && (since is null || finished > since))
                since = finished;
        return since;
    }

    /// <summary>
    /// The last checkpoint: the annotation, the pods' acknowledgements or their progress tell its time; its step the pods themselves, else
    /// the progress seen by then.
    /// </summary>
    private CheckpointMark? Mark(
        WorkloadObject work,
        V1PodTemplateSpec template,
        ProgressSeries series,
        IReadOnlyList<PodCheckpoint> said,
        BudgetMemory memory
    )
    {
        CheckpointMark? At(DateTimeOffset? at)
        {
            if (at is not { } told)
                return null;
            long? step = null;
            foreach (var point in series.Points)
                if (point.At <= told)
                    step = point.Step;
            return new(told, step);
        }
        var annotated = At(BursarAnnotations.ReadLastCheckpoint(work.Metadata, template));
        // Of a gang in which several pods answer, one alone does not tell that the whole is written.
        var posted = said.Count > 1 ? null : At(checkpointAt(work.Metadata.Uid));
        CheckpointMark? whole = null;
        if (said.Count > 0 && said.All(one => one.Done is not null))
        {
            var done = said.Min(one => one.Done!.Value);
            whole = said.All(one => one.Step is not null) ? new(done, said.Min(one => one.Step)) : At(done);
        }
        return CheckpointMark.Later(
            CheckpointMark.Later(whole, posted),
            CheckpointMark.Later(annotated, memory.Marks.GetValueOrDefault(work.Metadata.Uid))
        );
    }

    /// <summary>The request that all pods of a gang which answer have acknowledged.</summary>
    private static string? Acknowledged(IReadOnlyList<PodCheckpoint> said) =>
        said.Count > 0 && said.All(one => one.Id is not null && one.Id == said[0].Id) ? said[0].Id : null;
}
