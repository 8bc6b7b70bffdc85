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

/// <summary>Reads one workload into a snapshot, as seen by one budget. It writes nothing.</summary>
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
    /// <summary>The time within which the watches of two kinds show the same state of the cluster.</summary>
    private static readonly TimeSpan WatchLag = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Returns the snapshot of a workload. Null if the budget does not select it or if there is nothing to suspend or resume.
    /// </summary>
    public WorkloadSnapshot? Observe(WorkloadObject work, BudgetFacts facts)
    {
        var (uid, template, budget) = (work.Metadata.Uid, work.Template, facts.Budget);
        var record = facts.Suspensions.GetValueOrDefault(uid);
        // The user may declare that a serving kind that scales runs training.
        var serves = work.Kind.Serves && !(work.Kind.Scales && (record?.Class ?? work.Class) == WorkloadClass.Training);
        // An unreadable object may request GPUs. A part, for example of an InferenceService, is covered by its owner.
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
        // The pod of a Job ends before its status says so. It must not seem to run again.
        if (
            work.Kind.Name == "Job"
            && record is null
            && !runs
            && work.Pieces.Count == 0
            && pods.Any(pod => pod.Status.Phase == "Succeeded" && pod.Metadata.DeletionTimestamp is null)
        )
            return null;
        var suspension = SuspensionState.From(work, facts, runs, stores);
        // A scaled kind without replicas that no budget suspended is no workload once its pods have ended.
        if (work.IsStopped && (serves || work.Kind.Scales) && suspension.AnyRecord is null && !runs)
            return null;
        var sets = SetsOf(work, suspension.Rests ? suspension.AnyRecord : null);
        var gpus = suspension.IsIgnored ? spend?.Gpus ?? 0 : rates.GpusOf(sets, live, spend);
        var counted = budget.Terms.Counted;
        var rate = suspension.IsIgnored
            ? spend?.RatePerHour
            : rates.RateOf(sets, gpus, live, spend, work.Namespace, uid, facts.Now, counted);
        // Its measurements of an earlier window are known from its suspension.
        if (counted.IsMeasured && spend?.MeanRate is null && record?.Cause.Rate is { NanoPerHour: > 0 } before)
            rate = before;
        // A limit on some GPUs does not concern workloads on other GPUs. One that it suspended used its GPUs, and would again.
        if (counted.IsPartial && rate is not { NanoPerHour: > 0 })
        {
            if (record is null)
                return null;
            rate = record.Cause.Rate;
        }
        var burn = spend?.RatePerHour ?? HourlyCost.Zero;
        var snapshot = new WorkloadSnapshot
        {
            Key = PodWorkload.From(work).Key,
            // A job is training whatever its annotation says, so no annotation can exempt it from the limit.
            Class = serves ? record?.Class ?? PodWorkload.ClassOf(work.Kind.Name, work.Metadata, template) : WorkloadClass.Training,
            // A Deployment that another client scaled to zero is not suspended: its terminating pods still cost money.
            State =
                !serves || suspension.State != WorkloadState.SuspendedByOther ? suspension.State
                : runs ? WorkloadState.Running
                : WorkloadState.Pending,
            Exempt = budget.Exempt?.Matches(labels) == true,
            NotSuspendable = suspension.NotSuspendable,
            Priority = PriorityOf(template.Spec, live),
            PriorityWithin = BursarAnnotations.ReadPriority(work.Metadata, template),
            CreatedAt = work.Metadata.CreationTimestamp ?? facts.Now,
            IsUnreadable = work.Unreadable is not null,
            RunsOn = suspension.RunsOn,
            IgnoresSuspension = suspension.IsIgnored,
            Gpus = gpus,
            Rate = rate,
            BurnRate = burn,
            // Scalers know the replicas that they can remove as a cost only. Other limits count all present replicas.
            MinReplicasRate =
                !serves || suspension.IsIgnored || counted != CountedUsage.Cost ? null : elastic.MinimumReplicasRateOf(uid, burn),
            Spent = spend?.Spent ?? Amount.Zero,
            Estimate = Estimate.Unknown("it serves until it is stopped"),
            TerminationGrace = work.TerminationGrace,
            OtherBudgets = suspension.OtherBudgets,
            NotCoveredBy = BudgetNames.Join(facts.NotCoveredByOthers[uid].Select(other => BudgetNames.Display(other))),
            Suspension = suspension.SuspensionOf(),
            Consequence =
                !suspension.IsStopped ? work.WhatIsLost
                : record?.CronJob is { } cronJob ? Messages.CronJobWaits(cronJob.Object)
                : null,
            ResumeApproved = BursarAnnotations.Read(work.Metadata, null, BursarAnnotations.Resume) == BursarAnnotations.Approved,
            UnitCosts = UnitCostsOf(spend, rate),
        };
        return serves ? snapshot : OfTraining(snapshot, work, facts, suspension, pods, live);
    }

    /// <summary>
    /// Returns the snapshot of a workload that costs money but that no cached object represents. Either its kind has no adapter, or its
    /// object is gone, has ended or requests no GPUs while its pods hold some. Null while its last pods are ending, and right after its end,
    /// because the watch of its kind may be ahead of the pods' watch.
    /// </summary>
    public WorkloadSnapshot? ObserveUnlisted(WorkloadSpend spend, BudgetFacts facts)
    {
        var key = spend.Workload;
        if (stores.CacheOf(key.Kind) is not { IsServed: true } cache)
            return OfOther(spend, facts, SuspensionEligibility.WhyNot(key.Kind), "Bursar has no adapter for its kind");
        if (facts.Running.Value.GetValueOrDefault(key.Uid) == RunningPods.None)
            return null;
        var work = cache.Get(key.Namespace, key.Name, key.Uid);
        if (work is { IsFinished: true, EndedAt: { } ended } && facts.Now - ended < WatchLag)
            return null;
        var why = work switch
        {
            null => $"its {key.Kind} is gone and its pods still run",
            { IsFinished: true } => $"its {key.Kind} has ended and its pods still run",
            _ => $"its {key.Kind} asks for no GPUs and its pods hold some",
        };
        return OfOther(spend, facts, why, why);
    }

    /// <summary>Returns how long the pods of a workload that is gone may still take to end.</summary>
    public TimeSpan TimeToEnd(string uid, DateTimeOffset now) =>
        PodsOf(uid).Max(pod => pod.Metadata.DeletionTimestamp) is { } deadline && deadline > now ? deadline - now : TimeSpan.Zero;

    /// <summary>Adds a training job's forecast, its wait for pods, and its checkpoints to a snapshot.</summary>
    private WorkloadSnapshot OfTraining(
        WorkloadSnapshot snapshot,
        WorkloadObject work,
        BudgetFacts facts,
        SuspensionState suspension,
        IReadOnlyList<V1Pod> pods,
        V1Pod[] live
    )
    {
        var (uid, template, memory, now) = (work.Metadata.Uid, work.Template, facts.Memory, facts.Now);
        var (record, ns) = (facts.Suspensions.GetValueOrDefault(uid), work.Namespace);
        var paused = suspension.Rests || work.IsStopped && !suspension.IsNew && !suspension.IsIgnored;
        // A record that outlived the job's resume, because the operator died between the two writes, is no longer valid.
        var isValid =
            suspension.IsStopped || record is null || !memory.Admitted.TryGetValue(uid, out var admission) || admission.At < record.Since;
        var (series, byAgent) = progress.Latest(uid);
        var checkpoints = live.Select(p => ledger.CheckpointOf(p.Metadata.Uid)).OfType<PodCheckpoint>().ToArray();
        var mark = Mark(work, template, series, checkpoints, memory);
        if (suspension.Rests && record is not null && record.Cause.CheckpointRequestedAt is { } requestedAt)
            series = series.UpTo(requestedAt);
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
            // The pods of a sweep report the progress of the pieces that run now, not of pending ones.
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
                suspension is not { State: WorkloadState.Pending, Manager: not { IsNext: true } } ? null
                : suspension.OtherBudgets is not null ? SuspendedSince(facts.SuspendedByOtherBudgets[uid], uid, memory)
                : NoPodSince(work, pods),
            QueuedIn = suspension.State == WorkloadState.Pending ? suspension.Manager?.WaitsIn : null,
            CanCheckpoint =
                checkpoints.Length > 0
                || !work.Kind.Scales
                    && BursarAnnotations.Read(work.Metadata, template, BursarAnnotations.Checkpoint) == BursarAnnotations.Supported,
            Checkpoint = mark,
            CheckpointAcknowledged = Acknowledged(checkpoints),
            // Objects that are only scaled carry no annotation, so assume that it is up to date.
            CheckpointAnnotation = work.Kind.Scales
                ? memory.Checkpoints.GetValueOrDefault(uid)?.Id
                : work.Metadata.Annotations.GetValueOrDefault(BursarAnnotations.CheckpointRequested),
            Suspension = isValid ? snapshot.Suspension : null,
        };
    }

    private WorkloadSnapshot OfOther(WorkloadSpend spend, BudgetFacts facts, string whyNot, string noEstimate)
    {
        // A rate of zero with unpriced GPU time means that the price is unknown, not zero.
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
                spend.Class == WorkloadClass.Training || facts.Budget.Terms.Counted != CountedUsage.Cost
                    ? null
                    : elastic.MinimumReplicasRateOf(spend.Workload.Uid, spend.RatePerHour),
            Spent = spend.Spent,
            Estimate = Estimate.Unknown(noEstimate),
            UnitCosts = UnitCostsOf(spend, rate),
        };
    }

    /// <summary>Returns the workload's unit costs. Null if it has cost nothing in this window.</summary>
    private UnitCosts? UnitCostsOf(WorkloadSpend? spend, HourlyCost? rate) =>
        spend is null
            ? null
            : UnitCosts.From(WholeDayUsage.From([spend]), rate, Estimator.SecondsPerStep(progress.Series(spend.Workload.Uid)));

    /// <summary>Returns the pod sets after a resume: with the original replicas instead of zero.</summary>
    private static IReadOnlyList<PodSet> SetsOf(WorkloadObject work, SuspensionRecord? suspension)
    {
        var replicas = suspension?.Replicas
            ?? (work.Kind.Serves && int.TryParse(suspension?.Field.Original, out var original) ? original : null);
        return replicas is not { } count ? work.PodSets
            : work.Kind.Scales ? work.PodSetsAt(count)
            : [.. work.PodSets.Take(1).Select(set => set with { Count = count })];
    }

    /// <summary>
    /// Returns when the last of the other budgets suspended it. Counts from this budget's own resume if that was later, because its
    /// reservation starts then.
    /// </summary>
    private static DateTimeOffset SuspendedSince(IEnumerable<SuspensionRecord> records, string uid, BudgetMemory memory)
    {
        var since = records.Max(record => record.Since);
        return memory.Admitted.TryGetValue(uid, out var admission) && admission.At > since ? admission.At : since;
    }

    /// <summary>Returns the pods of an object and of everything that it owns.</summary>
    private List<V1Pod> PodsOf(string uid)
    {
        var pods = new List<V1Pod>(stores.Pods.Store.ByIndex(Indexes.OwnerUid, uid));
        // Only of leaders among its direct pods. The recursion below covers the others.
        foreach (var leader in pods.Where(pod => pod.Metadata.Labels.ContainsKey(LeaderWorkerSetKind.NameLabel)).ToArray())
        foreach (var workers in stores.CacheOf("StatefulSet")!.OwnedBy(leader.Metadata.Uid))
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
    /// Returns the latest checkpoint. Its time comes from the annotation, the pods' acknowledgements or their reports. Its step comes from
    /// the pods, otherwise from the progress at that time.
    /// </summary>
    private CheckpointMark? Mark(
        WorkloadObject work,
        V1PodTemplateSpec template,
        ProgressSeries series,
        IReadOnlyList<PodCheckpoint> acknowledged,
        BudgetMemory memory
    )
    {
        CheckpointMark? At(DateTimeOffset? at)
        {
            if (at is not { } time)
                return null;
            long? step = null;
            foreach (var point in series.Points)
                if (point.At <= time)
                    step = point.Step;
            return new(time, step);
        }
        var annotated = At(BursarAnnotations.ReadLastCheckpoint(work.Metadata, template));
        // If several pods of a gang report checkpoints, the report of one pod does not prove that all are written.
        var posted = acknowledged.Count > 1 ? null : At(checkpointAt(work.Metadata.Uid));
        CheckpointMark? whole = null;
        if (acknowledged.Count > 0 && acknowledged.All(one => one.Done is not null))
        {
            var done = acknowledged.Min(one => one.Done!.Value);
            whole = acknowledged.All(one => one.Step is not null) ? new(done, acknowledged.Min(one => one.Step)) : At(done);
        }
        return CheckpointMark.Later(
            CheckpointMark.Later(whole, posted),
            CheckpointMark.Later(annotated, memory.Marks.GetValueOrDefault(work.Metadata.Uid))
        );
    }

    /// <summary>Returns the request that all answering pods have acknowledged; null if they disagree.</summary>
    private static string? Acknowledged(IReadOnlyList<PodCheckpoint> answers) =>
        answers.Count > 0 && answers.All(one => one.Id is not null && one.Id == answers[0].Id) ? answers[0].Id : null;
}
