using System.Runtime.ExceptionServices;
using Bursar.Api;
using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.KubeOps;
using Bursar.Operator.Cluster;
using Bursar.Operator.Safety;
using Bursar.Operator.Suspension;
using Bursar.Operator.Telemetry;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Budgets;

/// <summary>
/// The one loop: observe, decide, act, and the status last. Everything people see of a budget follows from the one
/// decision value of this evaluation.
/// </summary>
internal sealed partial class BudgetController(
    KubeClient client,
    ClusterStores stores,
    GpuLedger ledger,
    OperatorState state,
    BudgetObserver observer,
    BudgetActor actor,
    BudgetEvents events,
    EchoGuard echoes,
    WindowKeeper windows,
    HeldWorkActor held,
    DecisionStore decisions,
    ProgressBoard progress,
    CheckpointBoard checkpoints,
    ControlSwitch control,
    WritePacer pacer,
    TimeProvider time,
    ILogger<BudgetController> logger
) : IEntityController<V1Alpha1GpuBudget>
{
    /// <summary>How long an evaluation of running work may be put off; part of the published overspend bound.</summary>
    public static readonly TimeSpan Evaluation = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan IdleEvaluation = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan EchoRetry = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan ConflictRetry = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ProgressPace = TimeSpan.FromMinutes(5);
    private const int StoredProgressPoints = 6;

    /// <summary>Training that has ended and whose last step is remembered: more of it is older than what people ask for.</summary>
    private const int MostEnded = 100;

    private readonly System.Collections.Concurrent.ConcurrentDictionary<string, (GpuBudgetStatus Status, DateTimeOffset At)> _written = new(
        StringComparer.Ordinal
    );
    private readonly System.Collections.Concurrent.ConcurrentDictionary<string, DateTimeOffset> _progressStored = new(
        StringComparer.Ordinal
    );

    /// <summary>
    /// By budget: how far each of its workloads has come that is there, for when it is gone. Each is used by the budget's one reconcile at
    /// a time.
    /// </summary>
    private readonly System.Collections.Concurrent.ConcurrentDictionary<string, Dictionary<string, EndedTraining>> _training = new(
        StringComparer.Ordinal
    );

    public async Task<ReconciliationResult<V1Alpha1GpuBudget>> ReconcileAsync(V1Alpha1GpuBudget entity, CancellationToken cancellationToken)
    {
        var ns = entity.Metadata.Namespace ?? "";
        if (entity.Refusal is { InForce: null })
            SpecRefusal.Restore(entity, state.BudgetMemory(entity.Metadata.Uid));
        if (GpuBudgetReader.Read(entity, out var terms, out var selector, out var exempt) is { Count: > 0 } errors)
        {
            return await RefuseAsync(entity, new(errors, null), cancellationToken)
                ? ReconciliationResult<V1Alpha1GpuBudget>.Success(entity)
                : ReconciliationResult<V1Alpha1GpuBudget>.Success(entity, ConflictRetry);
        }
        if (echoes.IsWaiting(ns))
            return ReconciliationResult<V1Alpha1GpuBudget>.Success(entity, EchoRetry);

        if (entity.Refusal is { } refusal)
            ReportRefusal(entity, refusal);
        var budget = new ReadBudget(entity, terms!, selector, exempt);
        RestoreProgress(budget);
        var snapshot = observer.Observe(budget);
        var decision = BudgetDecider.Decide(snapshot);
        if (decision.Conditions.Any(c => c is { Type: ConditionTypes.BrakeApplied, Status: true }))
            control.Brake.Apply(decision.At);
        var memory = WithEnded(budget, snapshot, WithProgress(budget, snapshot, decision)) with
        {
            BrakedAt = control.Brake.AppliedAt,
            Spec =
                snapshot.Memory is { Spec: { } spec } && snapshot.Memory.SpecGeneration == entity.SpecGeneration
                    ? spec
                    : SpecRefusal.Store(entity),
            SpecGeneration = entity.SpecGeneration,
        };
        state.SetBudgetMemory(ns, budget.Name, budget.Uid, memory);
        windows.Note(budget, decision);
        actor.NoteObserved(budget, snapshot, decision);
        foreach (var key in decision.LetGo)
        foreach (var record in state.ParkedBy(budget.Uid).Where(p => p.Uid == key.Uid))
            await actor.ForgetAsync(budget, record, MayWrite(budget, snapshot), cancellationToken);

        foreach (var announcement in decision.Announcements)
            events.Announced(entity, announcement);
        decisions.Record(entity, decision);
        actor.ConfirmSeen(budget, snapshot, decision);
        await actor.ForgetOutlivedAsync(budget, snapshot, MayWrite(budget, snapshot), cancellationToken);
        // What is asked for anew is told to the agents once it stands in the ledger.
        checkpoints.Set(
            budget.Uid,
            decision.Memory.Checkpoints.Where(one =>
                snapshot.Memory.Checkpoints.TryGetValue(one.Key, out var known) && known.Id == one.Value.Id
            )
        );
        var heldBack = await TryAsync(() => held.LetGoAsync(budget, decision, cancellationToken));
        // One object that cannot be written must not keep the status of the others from being told.
        var failed = await TryAsync(() => actor.ActAsync(budget, snapshot, decision, cancellationToken))
            ?? await TryAsync(() => ReleaseStraysAsync(budget, snapshot, cancellationToken))
            ?? heldBack;
        var wait = await WriteStatusAsync(entity, BudgetStatus.Of(entity, decision, ledger, state), cancellationToken);
        failed?.Throw();
        return ReconciliationResult<V1Alpha1GpuBudget>.Success(entity, Next(budget, snapshot, decision, wait));
    }

    public Task<ReconciliationResult<V1Alpha1GpuBudget>> DeletedAsync(V1Alpha1GpuBudget entity, CancellationToken cancellationToken)
    {
        _written.TryRemove(entity.Metadata.Uid, out _);
        _progressStored.TryRemove(entity.Metadata.Uid, out _);
        _training.TryRemove(entity.Metadata.Uid, out _);
        checkpoints.Set(entity.Metadata.Uid, []);
        decisions.Forget(entity);
        return Task.FromResult(ReconciliationResult<V1Alpha1GpuBudget>.Success(entity));
    }

    private static async Task<ExceptionDispatchInfo?> TryAsync(Func<Task> act)
    {
        try
        {
            await act();
            return null;
        }
        catch (ApiException error)
        {
            return ExceptionDispatchInfo.Capture(error);
        }
    }

    /// <summary>Exactly at the window's edge; else soon while something burns or waits for its stop.</summary>
    private static TimeSpan Next(ReadBudget budget, BudgetSnapshot snapshot, BudgetDecision decision, TimeSpan? statusWait)
    {
        var moves = snapshot.BurnRate.NanoPerHour > 0 || snapshot.Workloads.Count > 0 || decision.Actions.Count > 0;
        var next = moves ? Evaluation : IdleEvaluation;
        if (Window.NextEdge(budget.Terms.Window, snapshot.Now) is { } edge && edge - snapshot.Now < next)
            next = edge - snapshot.Now;
        // A wait that is over ends then, and not at the next look: that is what the bound counts on.
        foreach (var request in decision.Memory.Checkpoints.Values)
            if (request.Deadline > snapshot.Now && request.Deadline - snapshot.Now < next)
                next = request.Deadline - snapshot.Now;
        if (statusWait is { } wait && wait < next)
            next = wait;
        return next < TimeSpan.FromMilliseconds(1) ? TimeSpan.FromMilliseconds(1) : next;
    }

    /// <summary>False when the status met a conflict and is to be written again.</summary>
    private async Task<bool> RefuseAsync(V1Alpha1GpuBudget budget, SpecRefusal refusal, CancellationToken cancellationToken)
    {
        decisions.Forget(budget);
        return !ReportRefusal(budget, refusal)
            || await PatchStatusAsync(
                budget,
                BudgetStatus.Invalid(budget, BudgetStatus.Message(refusal), time.GetUtcNow()),
                cancellationToken
            );
    }

    /// <summary>False if the status tells of it already.</summary>
    private bool ReportRefusal(V1Alpha1GpuBudget budget, SpecRefusal refusal)
    {
        if (budget.Status is { State: Reasons.InvalidSpec } status && status.ObservedGeneration == budget.Metadata.Generation)
            return false;
        var message = BudgetStatus.Message(refusal);
        LogInvalid(budget.Metadata.Namespace ?? "", budget.Metadata.Name, message);
        events.Refused(budget, message);
        return true;
    }

    /// <summary>
    /// Suspended work that the budget no longer selects, or that its user released, is given back; records of what is gone are dropped.
    /// </summary>
    private async Task ReleaseStraysAsync(ReadBudget budget, BudgetSnapshot snapshot, CancellationToken cancellationToken)
    {
        var selected = snapshot.Workloads.Select(w => w.Key.Uid).ToHashSet(StringComparer.Ordinal);
        ExceptionDispatchInfo? failed = null;
        foreach (var record in state.ParkedBy(budget.Uid).Where(p => snapshot.ReleasedAt is not null || !selected.Contains(p.Uid)))
        {
            if (IsOver(record))
                await actor.ForgetAsync(budget, record, MayWrite(budget, snapshot), cancellationToken);
            else if (MayWrite(budget, snapshot))
                // One object that cannot be written must not hold up the others.
                failed ??= await TryAsync(() =>
                    actor.ReleaseAsync(
                        record,
                        selected.Contains(record.Uid)
                            ? $"budget {budget.Name} was released by bursar release"
                            : $"budget {budget.Name} does not select it any more",
                        cancellationToken
                    )
                );
        }
        failed?.Throw();
    }

    /// <summary>Whether a budget's mode and the cluster's switch let anything be written for it.</summary>
    private static bool MayWrite(ReadBudget budget, BudgetSnapshot snapshot) =>
        budget.Terms.Mode == EnforcementMode.Enforce && !snapshot.SwitchedToObserve;

    private bool IsOver(SuspensionRecord record) =>
        stores.Of(record.Kind) is { } cache && cache.Get(record.Namespace, record.Name, record.Uid) is not { IsFinished: false };

    private void RestoreProgress(ReadBudget budget)
    {
        if (_progressStored.ContainsKey(budget.Uid))
            return;
        _progressStored[budget.Uid] = time.GetUtcNow();
        foreach (var (uid, series) in state.BudgetMemory(budget.Uid).Progress)
            progress.Restore(uid, series);
    }

    private BudgetMemory WithProgress(ReadBudget budget, BudgetSnapshot snapshot, BudgetDecision decision)
    {
        var now = time.GetUtcNow();
        if (decision.Actions.Count == 0 && now - _progressStored[budget.Uid] < ProgressPace)
            return decision.Memory with { Progress = snapshot.Memory.Progress };
        _progressStored[budget.Uid] = now;
        var series = new SortedDictionary<string, Core.Forecast.ProgressSeries>(StringComparer.Ordinal);
        foreach (var work in snapshot.Workloads)
            if (progress.Series(work.Key.Uid) is { Points.Count: > 0 } known)
                series[work.Key.Uid] = known.Thinned(StoredProgressPoints);
        return decision.Memory with { Progress = series };
    }

    /// <summary>
    /// Moves workloads that are gone, with their last step, to those that have ended: what a step cost is asked for after the job.
    /// </summary>
    private BudgetMemory WithEnded(ReadBudget budget, BudgetSnapshot snapshot, BudgetMemory memory)
    {
        var training = _training.GetOrAdd(budget.Uid, _ =>
            snapshot
                .Memory.Progress.Where(one => one.Value.Last is { Step: > 0 })
                .ToDictionary(
                    one => one.Key,
                    one => new EndedTraining(one.Key, one.Value.Last!.Value.Step, one.Value.Last!.Value.At, null),
                    StringComparer.Ordinal
                )
        );
        var present = snapshot.Workloads.Select(work => work.Key.Uid).ToHashSet(StringComparer.Ordinal);
        foreach (var work in snapshot.Workloads)
            if (progress.Series(work.Key.Uid)?.Last is { Step: > 0 } last)
                training[work.Key.Uid] = new(
                    work.Key.Uid,
                    last.Step,
                    last.At,
                    work.UnitCosts?.Step ?? training.GetValueOrDefault(work.Key.Uid)?.PerStep
                );
        var gone = training.Values.Where(one => !present.Contains(one.Uid)).OrderBy(one => one.At).ToArray();
        foreach (var one in gone)
            training.Remove(one.Uid);
        var changed = gone.Length > 0;
        var ended = new List<EndedTraining>(memory.Ended.Count + gone.Length);
        foreach (var one in memory.Ended.Concat(gone))
        {
            // Back again, or told of by its agent after its end.
            if (present.Contains(one.Uid))
                changed = true;
            else if (progress.Series(one.Uid)?.Last is { } last && last.Step > one.Step)
            {
                changed = true;
                ended.Add(one with { Step = last.Step, At = last.At });
            }
            else
                ended.Add(one);
        }
        return changed ? memory with { Ended = [.. ended.TakeLast(MostEnded)] } : memory;
    }

    /// <summary>How long until a write that is due may be made; null when nothing is due.</summary>
    private async Task<TimeSpan?> WriteStatusAsync(V1Alpha1GpuBudget budget, GpuBudgetStatus status, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var known = _written.TryGetValue(budget.Metadata.Uid, out var written);
        if (BudgetStatus.DueIn(known ? written.Status : budget.Status, status, known ? now - written.At : TimeSpan.MaxValue) is not { } due)
            return null;
        if (due > TimeSpan.Zero)
            return due;
        if (!pacer.TryTake(budget.Metadata.Uid, out var wait))
            return wait;
        if (!await PatchStatusAsync(budget, status, cancellationToken))
            return ConflictRetry;
        status.Slim();
        _written[budget.Metadata.Uid] = (status, now);
        return null;
    }

    private async Task<bool> PatchStatusAsync(V1Alpha1GpuBudget budget, GpuBudgetStatus status, CancellationToken cancellationToken)
    {
        try
        {
            await client.PatchAsync<V1Alpha1GpuBudget>(
                budget.Metadata.Name,
                budget.Metadata.Namespace,
                KubePatch.Merge(BudgetStatus.Patch(budget, status)) with
                {
                    Subresource = "status",
                },
                cancellationToken
            );
            return true;
        }
        catch (ApiException error) when (error.IsNotFound)
        {
            // Deleted: nobody reads its status any more.
            return true;
        }
        catch (ApiException error) when (error.IsConflict)
        {
            // Made anew under the same name, or a write crossed it: what it says now must not be lost.
            return false;
        }
    }

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "A budget's spec cannot be used: namespace={namespace} name={name} message={message}"
    )]
    private partial void LogInvalid(string @namespace, string name, string message);
}
