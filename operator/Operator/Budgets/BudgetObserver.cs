using Bursar.Api;
using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Reports;
using Bursar.Core.State;
using Bursar.Core.Text;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Billing;
using Bursar.Operator.Cluster;
using Bursar.Operator.Safety;
using Bursar.Operator.Suspension;
using Bursar.Operator.Telemetry;

namespace Bursar.Operator.Budgets;

/// <summary>
/// Reads everything a decision may look at into one snapshot: from synced caches, the ledger and the progress board.
/// It writes nothing.
/// </summary>
internal sealed class BudgetObserver(
    ClusterStores stores,
    GpuLedger ledger,
    OperatorState state,
    WorkloadRates rates,
    MeteringObserver metering,
    ProgressBoard progress,
    Func<string, DateTimeOffset?> checkpointAt,
    ElasticTargets elastic,
    ControlSwitch control,
    TimeProvider time
)
{
    public BudgetSnapshot Observe(ReadBudget budget)
    {
        var now = time.GetUtcNow();
        var window = Window.At(budget.Terms.Window, now);
        var to = window.End < now ? window.End : now;
        var spends = ledger
            .SpentByWorkload(budget.Namespace, budget.Selector, window.Start, to, now)
            .ToDictionary(s => s.Workload.Uid, StringComparer.Ordinal);
        var memory = state.BudgetMemory(budget.Uid);
        var parked = state.ParkedBy(budget.Uid).ToDictionary(p => p.Uid, StringComparer.Ordinal);
        var others = state.HeldByOthers(budget.Namespace, budget.Uid);

        // Asked of suspended work that burns alone, and then once for all of it.
        Dictionary<string, RunningPods>? running = null;
        RunningPods RunsOn(string uid) => (running ??= metering.RunningOn(now)).GetValueOrDefault(uid);

        var work = new List<WorkloadSnapshot>();
        foreach (var cache in stores.Kinds)
        foreach (var one in cache.In(budget.Namespace))
            if (
                (
                    Serves(one, parked)
                        ? OfServing(one, budget, spends, parked, others, memory, RunsOn, now)
                        : OfTraining(one, budget, spends, parked, others, memory, RunsOn, now)
                ) is
                { } observed
            )
                work.Add(observed);
        // Nothing that costs money is left out, whatever its object says or does not say.
        var listed = work.Select(w => w.Key.Uid).ToHashSet(StringComparer.Ordinal);
        work.AddRange(
            spends
                .Values.Where(s => s.Gpus > 0 && !listed.Contains(s.Workload.Uid))
                .Select(s => OfUnlisted(s, RunsOn))
                .OfType<WorkloadSnapshot>()
        );
        var snapshot = new BudgetSnapshot
        {
            Namespace = budget.Namespace,
            Name = budget.Name,
            Uid = budget.Uid,
            Now = now,
            CreatedAt = budget.Object.Metadata.CreationTimestamp,
            Terms = budget.Terms,
            Window = window,
            Spent = spends.Values.Aggregate(Amount.Zero, (sum, s) => sum + s.Spent),
            OutsideSelector = Outside(budget, window.Start, to, now),
            BurnRate = spends.Values.Aggregate(HourlyCost.Zero, (sum, s) => sum + s.RatePerHour),
            Workloads = work,
            RollingSpend =
                budget.Terms.Window.Period == WindowPeriod.Rolling
                    ? ledger.Segments(budget.Namespace, budget.Selector, window.Start, now)
                    : [],
            Memory = memory,
            BrakeAllowance = control.Brake.Allowance(now),
            SwitchedToObserve = control.ObserveOnly,
            ReleasedAt = ReleaseMark
                .InForce(
                    budget.Object.Metadata.Annotations.GetValueOrDefault(BursarAnnotations.Released),
                    budget.Object.Metadata.Generation,
                    budget.Terms.Window,
                    now
                )
                ?.At,
            SpecFault = budget.Object.Refusal is { } refusal ? BudgetStatus.Message(refusal) : null,
            Ended = Ended(spends.Values, work, memory),
        };
        return metering.AddTo(snapshot, spends);
    }

    /// <summary>Of what the status names: the most expensive few.</summary>
    private static IReadOnlyList<EndedWorkload> Ended(
        IReadOnlyCollection<WorkloadSpend> spends,
        IReadOnlyList<WorkloadSnapshot> work,
        BudgetMemory memory
    )
    {
        var present = work.Select(one => one.Key.Uid).ToHashSet(StringComparer.Ordinal);
        var steps = memory.Ended.ToDictionary(one => one.Uid, StringComparer.Ordinal);
        return
        [
            .. spends
                .Where(one => one.Gpus == 0 && one.Spent > Amount.Zero && !present.Contains(one.Workload.Uid))
                .OrderByDescending(one => one.Spent)
                .ThenBy(one => one.Workload.Name, StringComparer.Ordinal)
                .Take(BudgetStatus.MostEnded)
                .Select(one => new EndedWorkload(
                    one.Workload,
                    one.Class,
                    one.Spent,
                    steps.GetValueOrDefault(one.Workload.Uid)?.Step,
                    UnitCosts.Of(WorkDone.Of([one]), null, null) with
                    {
                        Step = steps.GetValueOrDefault(one.Workload.Uid)?.PerStep,
                    }
                )),
        ];
    }

    private WorkloadSnapshot? OfTraining(
        Work work,
        ReadBudget budget,
        Dictionary<string, WorkloadSpend> spends,
        Dictionary<string, SuspensionRecord> parked,
        ILookup<string, SuspensionRecord> others,
        BudgetMemory memory,
        Func<string, RunningPods> runsOn,
        DateTimeOffset now
    )
    {
        // What belongs to another kind's object is that object's.
        if (!MayHaveGpus(work) || work.IsFinished || TopWorkload.BelongsToAnother(work, stores))
            return null;
        var uid = work.Metadata.Uid;
        var record = parked.GetValueOrDefault(uid);
        var labels = LabelsOf(work, record);
        if (!budget.Selector.Matches(labels))
            return null;

        var template = work.Template;
        var spend = spends.GetValueOrDefault(uid);
        var pods = PodsOf(uid);
        var live = pods.Where(p => PodTimes.ScheduledAt(p) is not null && !PodTimes.IsOver(p)).ToArray();
        var standing = Standing.Of(work, record, others[uid], live.Length > 0, () => runsOn(uid), stores, memory, now);
        // A kind that scales, without replicas and taken by no budget, is no work, except for as long as its pods end.
        if (work is { Kind.Scales: true, IsStopped: true } && standing.Noted is null && live.Length == 0)
            return null;
        var paused = standing.Rests || work.IsStopped && !standing.IsNew && !standing.IsIgnored;
        // A record that outlived the job's resume (the operator died between the two writes) says nothing any more.
        var held =
            standing.IsStopped || record is null || !memory.Admitted.TryGetValue(uid, out var admission) || admission.At < record.Since;
        var sets = SetsOf(work, standing.Rests ? standing.Noted : null);
        var (series, byAgent) = progress.Latest(uid);
        var said = live.Select(p => ledger.CheckpointOf(p.Metadata.Uid)).OfType<PodCheckpoint>().ToArray();
        var mark = Mark(work, template, series, said, memory);
        if (standing.Rests && record is not null && record.Cause.AskedAt is { } asked)
            series = series.UpTo(asked);
        var gpus = standing.IsIgnored ? spend?.Gpus ?? 0 : rates.GpusOf(sets, live, spend);
        var rate = standing.IsIgnored ? spend?.RatePerHour : rates.RateOf(sets, gpus, live, spend, budget.Namespace, uid, now);
        var pieces = work
            .Pieces.Select(set =>
                set.Count(
                    pods,
                    work.UnitsOf(set),
                    () => ledger.EndedPods(budget.Namespace, uid),
                    () => ledger.HeldTime(budget.Namespace, uid, work.Metadata.CreationTimestamp ?? now, now) ?? now - work.StartTime,
                    now
                )
            )
            .ToArray();
        var facts = new JobFacts
        {
            EarlierRuns = SeriesKeeper.EarlierRuns(state, work.Metadata, template, pieces),
            // The pods of a sweep report the progress of the pieces that run now, not of those to come.
            Progress = byAgent && pieces.Any(group => group is { Gpus: > 0, ToCome: > 0 }) ? ProgressSeries.Empty : series,
            ProgressTeller = byAgent ? "its node's agent" : "",
            DeclaredSteps = BursarAnnotations.ReadTotalSteps(work.Metadata, template),
            DeclaredDuration = BursarAnnotations.ReadDuration(work.Metadata, template),
            Unreadable = BursarAnnotations.UnreadableLength(work.Metadata, template),
            RunningSince = live.Length == 0 ? null : live.Min(p => PodTimes.ScheduledAt(p)),
            Reported = work.Reported,
            Pieces = pieces,
            Gpus = gpus,
            ActiveDeadline = work.ActiveDeadlineSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : null,
            StartedAt = work.StartTime,
            CheckpointStep = mark?.Step,
        };
        return new()
        {
            Key = TopWorkload.Of(work).Key,
            // Whatever its annotation calls it, so that no annotation takes it out of the limit.
            Class = WorkClass.Training,
            State = standing.State,
            Exempt = budget.Exempt?.Matches(labels) == true,
            NotParkable = standing.NotParkable,
            Priority = PriorityOf(template.Spec, live),
            PriorityWithin = BursarAnnotations.ReadPriority(work.Metadata, template),
            CreatedAt = work.Metadata.CreationTimestamp ?? now,
            IsUnreadable = work.Unreadable is not null,
            RunsOn = standing.RunsOn,
            NotFollowed = standing.IsIgnored,
            Gpus = gpus,
            Rate = rate,
            BurnRate = spend?.RatePerHour ?? HourlyCost.Zero,
            Spent = spend?.Spent ?? Amount.Zero,
            Estimate = paused ? Estimator.AfterResume(facts) : Estimator.Remaining(facts, now),
            EstimateAfterResume = paused ? null : Estimator.AfterResume(facts),
            TerminationGrace = work.TerminationGrace,
            NoPodSince =
                standing is not { State: WorkloadState.Pending, Owner: not { IsNext: true } } ? null
                : standing.HeldBy is not null ? HeldSince(others[uid], uid, memory)
                : NoPodSince(work, pods),
            WaitsIn = standing.State == WorkloadState.Pending ? standing.Owner?.WaitsIn : null,
            HeldBy = standing.HeldBy,
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
            Parked = held ? standing.Parked() : null,
            Consequence =
                !standing.IsStopped ? work.WhatIsLost
                : record?.CronJob is { } cronJob ? Sentences.MakerWaits(cronJob.Object)
                : null,
            ResumeApproved = BursarAnnotations.Read(work.Metadata, null, BursarAnnotations.Resume) == BursarAnnotations.Approved,
            UnitCosts = UnitCostsOf(spend, rate),
        };
    }

    private WorkloadSnapshot? OfServing(
        Work work,
        ReadBudget budget,
        Dictionary<string, WorkloadSpend> spends,
        Dictionary<string, SuspensionRecord> parked,
        ILookup<string, SuspensionRecord> others,
        BudgetMemory memory,
        Func<string, RunningPods> runsOn,
        DateTimeOffset now
    )
    {
        var uid = work.Metadata.Uid;
        var record = parked.GetValueOrDefault(uid);
        // What KServe made is its InferenceService's.
        if (!MayHaveGpus(work) || TopWorkload.BelongsToAnother(work, stores))
            return null;
        var labels = LabelsOf(work, record);
        if (!budget.Selector.Matches(labels))
            return null;
        var template = work.Template;
        var spend = spends.GetValueOrDefault(uid);
        var runs = spend is { Gpus: > 0 };
        var standing = Standing.Of(work, record, others[uid], runs, () => runsOn(uid), stores, memory, now);
        if (work.IsStopped && standing.Noted is null && !runs)
            return null;
        var sets = SetsOf(work, standing.Rests ? standing.Noted : null);
        var gpus = standing.IsIgnored ? spend?.Gpus ?? 0 : rates.GpusOf(sets, [], spend);
        var rate = standing.IsIgnored ? spend?.RatePerHour : rates.RateOf(sets, gpus, [], spend, budget.Namespace, uid, now);
        return new()
        {
            Key = TopWorkload.Of(work).Key,
            Class = record?.Class ?? TopWorkload.ClassOf(work.Kind.Name, work.Metadata, template),
            // Somebody else's zero is no suspension: what its pods still burn is burnt.
            State =
                standing.State != WorkloadState.Suspended ? standing.State
                : runs ? WorkloadState.Running
                : WorkloadState.Pending,
            Exempt = budget.Exempt?.Matches(labels) == true,
            NotParkable = standing.NotParkable,
            Priority = PriorityOf(template.Spec, []),
            PriorityWithin = BursarAnnotations.ReadPriority(work.Metadata, template),
            CreatedAt = work.Metadata.CreationTimestamp ?? now,
            IsUnreadable = work.Unreadable is not null,
            RunsOn = standing.RunsOn,
            NotFollowed = standing.IsIgnored,
            Gpus = gpus,
            Rate = rate,
            BurnRate = spend?.RatePerHour ?? HourlyCost.Zero,
            FloorRate = standing.IsIgnored ? null : elastic.FloorRateOf(uid, spend?.RatePerHour ?? HourlyCost.Zero),
            Spent = spend?.Spent ?? Amount.Zero,
            Estimate = Estimate.Unknown("it serves until it is stopped"),
            TerminationGrace = work.TerminationGrace,
            HeldBy = standing.HeldBy,
            Parked = standing.Parked(),
            Consequence = standing.IsStopped ? null : work.WhatIsLost,
            ResumeApproved = BursarAnnotations.Read(work.Metadata, null, BursarAnnotations.Resume) == BursarAnnotations.Approved,
            UnitCosts = UnitCostsOf(spend, rate),
        };
    }

    /// <summary>A kind that serves, unless it can be scaled away as a job is, and its owner says that it trains.</summary>
    private static bool Serves(Work work, Dictionary<string, SuspensionRecord> parked) =>
        work.Kind.Serves && !(work.Kind.Scales && (parked.GetValueOrDefault(work.Metadata.Uid)?.Class ?? work.Class) == WorkClass.Training);

    /// <summary>What it comes back with is what it had, not the zero it was given.</summary>
    private static IReadOnlyList<PodSet> SetsOf(Work work, SuspensionRecord? held)
    {
        var back = held?.Replicas ?? (work.Kind.Serves && int.TryParse(held?.Field.Original, out var original) ? original : null);
        return back is not { } count ? work.PodSets
            : work.Kind.Scales ? work.PodSetsAt(count)
            : [.. work.PodSets.Take(1).Select(set => set with { Count = count })];
    }

    /// <summary>Parked work is selected by what it said when it was parked: nobody gets out by a label.</summary>
    private static IReadOnlyDictionary<string, string> LabelsOf(Work work, SuspensionRecord? record) =>
        record?.Keep(work.Labels) ?? work.Labels;

    /// <summary>From when on the last of them held it; what this budget itself let go of is reserved from then.</summary>
    private static DateTimeOffset HeldSince(IEnumerable<SuspensionRecord> records, string uid, BudgetMemory memory)
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

    /// <summary>What it asks for is unknown where its object cannot be read: then it counts as GPU work.</summary>
    private static bool MayHaveGpus(Work work) => work.HasGpus || work.Unreadable is not null;

    /// <summary>
    /// Work that burns and that no object of the caches stands for in this budget: of a kind without an adapter, or whose object is gone,
    /// has ended or asks for no GPU while its pods hold some. Null while its last pods are ending.
    /// </summary>
    private WorkloadSnapshot? OfUnlisted(WorkloadSpend spend, Func<string, RunningPods> runsOn)
    {
        var key = spend.Workload;
        if (stores.Of(key.Kind) is not { IsServed: true } cache)
            return OfOther(spend, Parkability.WhyNot(key.Kind), "Bursar has no adapter for its kind");
        if (runsOn(key.Uid) == RunningPods.None)
            return null;
        var why = cache.Get(key.Namespace, key.Name, key.Uid) switch
        {
            null => $"its {key.Kind} is gone and its pods still run",
            { IsFinished: true } => $"its {key.Kind} has ended and its pods still run",
            _ => $"its {key.Kind} asks for no GPUs and its pods hold some",
        };
        return OfOther(spend, why, why);
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
            NotParkable = whyNot,
            CreatedAt = spend.Since,
            Gpus = spend.Gpus,
            Rate = rate,
            BurnRate = spend.RatePerHour,
            FloorRate = spend.Class == WorkClass.Training ? null : elastic.FloorRateOf(spend.Workload.Uid, spend.RatePerHour),
            Spent = spend.Spent,
            Estimate = Estimate.Unknown(noEstimate),
            UnitCosts = UnitCostsOf(spend, rate),
        };
    }

    /// <summary>Returns what a unit of the workload's output costs. Null if it has cost nothing in this window.</summary>
    private UnitCosts? UnitCostsOf(WorkloadSpend? spend, HourlyCost? rate) =>
        spend is null ? null : UnitCosts.Of(WorkDone.Of([spend]), rate, Estimator.SecondsPerStep(progress.Series(spend.Workload.Uid)));

    private int PriorityOf(V1PodSpec template, IReadOnlyList<V1Pod> live) =>
        live.Count > 0 ? live[0].Spec.Priority
        : template.PriorityClassName is { Length: > 0 } name ? stores.PriorityClasses.Store.Get(null, name)?.Value ?? 0
        : stores.PriorityClasses.Store.List().FirstOrDefault(c => c.GlobalDefault)?.Value ?? 0;

    private static DateTimeOffset? NoPodSince(Work work, IEnumerable<V1Pod> pods)
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
        Work work,
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

    private Amount Outside(ReadBudget budget, DateTimeOffset from, DateTimeOffset to, DateTimeOffset now)
    {
        var selectors = new List<LabelSelector>();
        foreach (var other in stores.Budgets.Store.ByIndex(Indexes.Namespace, budget.Namespace))
            if (GpuBudgetReader.TryReadSelector(other, out var selector))
                selectors.Add(selector);
        return ledger.OutsideSelectors(budget.Namespace, selectors, from, to, now);
    }
}
