using Bursar.Concurrency;
using Bursar.Core.Decisions;
using Bursar.Core.State;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Billing;
using Bursar.Operator.Cluster;
using Bursar.Operator.Safety;
using Bursar.Operator.Suspension;

namespace Bursar.Operator.Budgets;

/// <summary>
/// Does what a decision says, in an order that survives a death between any two steps: the ledger holds what is about to
/// happen before it happens, and lets go of it only after it was undone.
/// </summary>
internal sealed class BudgetActor(
    ClusterStores stores,
    LedgerStore store,
    Suspender suspender,
    CheckpointActor checkpoints,
    BudgetEvents events,
    ObserveOnlyMode control,
    TimeProvider time
)
{
    /// <summary>Before the action of a decision that Observe mode did not carry out.</summary>
    public const string Would = "Would";

    /// <summary>
    /// Acts on one workload take turns: if one budget resumes what another is about to suspend, each reads the records, writes and records
    /// undisturbed. Workloads share the locks, which are more than passes that run at the same time.
    /// </summary>
    private readonly AsyncLock[] _turns = [.. Enumerable.Range(0, 64).Select(_ => new AsyncLock(time, "acts on one workload"))];

    /// <summary>A suspension that is recorded.</summary>
    /// <param name="Record">What the ledger holds.</param>
    /// <param name="Present">The field as it was read.</param>
    /// <param name="Earlier">The record of the suspension before, which another client undid.</param>
    private sealed record Prepared(SuspensionRecord Record, string Present, SuspensionRecord? Earlier);

    /// <summary>
    /// Brings the records of suspensions and the requests to agents in line with what was seen and decided. No workload is suspended or
    /// resumed.
    /// </summary>
    public async Task RecordAsync(ReadBudget budget, BudgetSnapshot snapshot, BudgetDecision decision, CancellationToken cancellationToken)
    {
        if (decision.Observed.Count > 0)
        {
            // The record of what Observe mode would have done is all that is written. Status and bursar explain show it.
            var inputs = DecisionInputs.Write(snapshot);
            foreach (var action in decision.Observed)
                Note(budget, decision, action, Would + action.Kind, inputs);
        }
        var mayWrite = MayWrite(budget, snapshot);
        foreach (var key in decision.StaleRecords)
        foreach (var record in store.State.SuspensionsBy(budget.Uid).Where(p => p.Uid == key.Uid))
            await suspender.ForgetAsync(record, budget.Object, mayWrite, cancellationToken);
        ConfirmSeen(budget, snapshot, decision);
        // An operator resumed these and was stopped before it could remove their records. The decision to resume is in the memory.
        foreach (var record in store.State.SuspensionsBy(budget.Uid))
            if (
                snapshot.Workloads.FirstOrDefault(w => w.Key.Uid == record.Uid) is
                { Suspension: null, State: WorkloadState.Running or WorkloadState.Pending }
            )
                await suspender.ForgetAsync(record, budget.Object, mayWrite, cancellationToken);
        checkpoints.Publish(budget, snapshot, decision);
    }

    /// <summary>Suspends, resumes and asks for checkpoints, as decided.</summary>
    /// <exception cref="ApiException">The first object that could not be written. The others were.</exception>
    public async Task ActAsync(ReadBudget budget, BudgetSnapshot snapshot, BudgetDecision decision, CancellationToken cancellationToken)
    {
        if (decision.Actions.Count == 0)
            return;
        var inputs = DecisionInputs.Write(snapshot);
        // All that is to be suspended stands in the ledger before the first of it is: one write, however much it is.
        var prepared = new Dictionary<string, Prepared>(StringComparer.Ordinal);
        foreach (var action in decision.Actions.Where(a => a.Kind == ActionKind.Suspend))
            if (await PrepareAsync(budget, decision, action, inputs, cancellationToken) is { } suspension)
                prepared[action.Workload.Uid] = suspension;
        if (prepared.Count > 0)
        {
            await store.FlushArrivalsAsync(budget.Namespace, cancellationToken);
            await store.FlushBudgetAsync(budget.Uid, cancellationToken);
        }
        ApiException? failed = null;
        foreach (var action in decision.Actions)
        {
            try
            {
                if (action.Kind == ActionKind.Suspend)
                {
                    if (prepared.TryGetValue(action.Workload.Uid, out var suspension))
                        await SuspendAsync(budget, decision, action, suspension, cancellationToken);
                }
                else if (action.Kind == ActionKind.Resume)
                    await ResumeAsync(budget, decision, action, inputs, cancellationToken);
                else
                    await RequestCheckpointAsync(budget, snapshot, decision, action, inputs, cancellationToken);
            }
            catch (ApiException error)
            {
                // One object that cannot be written must not hold up the stop of the others.
                failed ??= error;
            }
        }
        if (failed is not null)
            throw failed;
    }

    /// <summary>
    /// Resumes suspended workloads that the budget no longer selects, or that its user released, and removes the records of those that are
    /// gone.
    /// </summary>
    /// <exception cref="ApiException">The first object that could not be written. The others were.</exception>
    public async Task ReleaseStraysAsync(ReadBudget budget, BudgetSnapshot snapshot, CancellationToken cancellationToken)
    {
        var selected = snapshot.Workloads.Select(w => w.Key.Uid).ToHashSet(StringComparer.Ordinal);
        ApiException? failed = null;
        foreach (
            var record in store.State.SuspensionsBy(budget.Uid).Where(p => snapshot.ReleasedAt is not null || !selected.Contains(p.Uid))
        )
        {
            var isOver =
                stores.Of(record.Kind) is { } cache && cache.Get(record.Namespace, record.Name, record.Uid) is not { IsFinished: false };
            if (isOver)
                await suspender.ForgetAsync(record, budget.Object, MayWrite(budget, snapshot), cancellationToken);
            else if (MayWrite(budget, snapshot))
                try
                {
                    await ReleaseAsync(
                        record,
                        selected.Contains(record.Uid)
                            ? $"budget {budget.Name} was released by bursar release"
                            : $"budget {budget.Name} does not select it any more",
                        cancellationToken
                    );
                }
                catch (ApiException error)
                {
                    // One object that cannot be written must not hold up the others.
                    failed ??= error;
                }
        }
        if (failed is not null)
            throw failed;
    }

    /// <summary>
    /// Resumes a workload for a budget that no longer selects it, or no longer exists. If other budgets hold it too, only this one's record
    /// goes. Returns whether the workload was resumed.
    /// </summary>
    /// <param name="record">The suspension.</param>
    /// <param name="why">Why it comes back, as the rest of a sentence.</param>
    /// <param name="cancellationToken">Cancels the writes.</param>
    public async Task<bool> ReleaseAsync(SuspensionRecord record, string why, CancellationToken cancellationToken)
    {
        using var turn = await TurnOf(record.Uid).EnterAsync(cancellationToken);
        var budget = stores.Budgets.Store.GetByUid(record.BudgetUid);
        var others = store
            .State.SuspendedByOthers(record.Namespace, record.BudgetUid)[record.Uid]
            .Where(other => other.Field.Pointer == record.Field.Pointer)
            .Select(other => $"budget {other.Budget}")
            .Distinct(StringComparer.Ordinal)
            .ToArray();
        var result = await suspender.ReleaseAsync(record, budget, cancellationToken);
        if (result is null)
            events.Restored(record, budget, Messages.Restored(why, string.Join(" and ", others)), isHeld: true);
        else if (result is WriteResult.Done)
            events.Restored(record, budget, Messages.Restored(why, null), isHeld: false);
        return result is WriteResult.Done;
    }

    /// <summary>Withdraws from the agents the requests for checkpoints of a budget that is deleted.</summary>
    public void Forget(string budgetUid) => checkpoints.Forget(budgetUid);

    /// <summary>Withdraws all requests for checkpoints of a budget that is deleted, also the annotations.</summary>
    public Task ClearRequestsAsync(string ns, string budget, string budgetUid, CancellationToken cancellationToken) =>
        checkpoints.ClearAsync(ns, budget, budgetUid, cancellationToken);

    /// <summary>
    /// A suspension whose answer was lost, or whose operator was stopped before it could say so, and that is now seen to
    /// have happened: the record says it, and so do the Events.
    /// </summary>
    private void ConfirmSeen(ReadBudget budget, BudgetSnapshot snapshot, BudgetDecision decision)
    {
        foreach (var record in store.State.SuspensionsBy(budget.Uid))
        {
            if (record.Cause is not { Confirmed: false } cause)
                continue;
            if (snapshot.Workloads.FirstOrDefault(w => w.Key.Uid == record.Uid) is not { State: WorkloadState.SuspendedByBudget } work)
                continue;
            cause = cause with { Confirmed = true };
            store.State.ReplaceSuspension(record with { Cause = cause });
            var decided = store
                .State.Decisions(budget.Uid)
                .LastOrDefault(d => d.Action == nameof(ActionKind.Suspend) && d.Object == $"{record.Kind}/{record.Name}");
            events.Acted(
                budget.Object,
                new()
                {
                    Kind = ActionKind.Suspend,
                    Workload = work.Key,
                    Class = work.Class,
                    Reason = decided?.Reason ?? record.Reason,
                    Sentence = decided?.Text ?? record.Reason,
                    CostToFinish = record.CostToFinish,
                    IsAgain = cause.Reverted is [.., var reverted] && reverted == decided?.Time,
                    Suspension = cause,
                },
                decision.WindowKey
            );
        }
    }

    /// <summary>Notes in memory what is to be suspended; null where there is nothing to write to.</summary>
    private async Task<Prepared?> PrepareAsync(
        ReadBudget budget,
        BudgetDecision decision,
        BudgetAction action,
        string inputs,
        CancellationToken cancellationToken
    )
    {
        var snapshot = action.Suspension!;
        if (action.IsAgain)
        {
            var undone = store.State.SuspensionsBy(budget.Uid).FirstOrDefault(p => p.Uid == action.Workload.Uid);
            var by = undone is null ? null : await suspender.LastWriterAsync(undone, cancellationToken);
            snapshot = snapshot with { Reverted = [.. snapshot.Reverted, decision.At], RevertedBy = by ?? snapshot.RevertedBy };
        }
        var record = WorkloadActor.RecordOf(action.Workload, stores, action, budget.Name, budget.Uid, snapshot with { Confirmed = false });
        if (record is null)
            return null;
        bool IsOfTheSame(SuspensionRecord other) =>
            other.Uid == record.Uid && other.Field.Pointer == record.Field.Pointer && other.Field.Object.Uid == record.Field.Object.Uid;
        var earlier = store.State.SuspensionsBy(budget.Uid).FirstOrDefault(IsOfTheSame);
        var inherited = earlier ?? store.State.SuspendedByOthers(record.Namespace, budget.Uid)[record.Uid].FirstOrDefault(IsOfTheSame);
        // Decided of work that another budget held, and that one gave it back meanwhile: the next evaluation sees what it is now.
        if (action.IsSuspendedByOtherBudget && inherited is null)
            return null;
        var present = record.Field.Original;
        // What stood there before the first suspension is what must come back, and what it said then is what selects it.
        if (inherited is not null)
            record = record with
            {
                Field = record.Field with { Original = inherited.Field.Original },
                Replicas = inherited.Replicas ?? record.Replicas,
            };
        record = earlier is not null
            ? record with
            {
                Labels = earlier.Labels,
                Class = earlier.Class ?? record.Class,
            }
            : record with
            {
                Labels = budget.Asked(
                    stores.Of(action.Workload.Kind)?.Get(action.Workload.Namespace, action.Workload.Name)?.Labels ?? StringMap.Empty
                ),
            };
        record = await suspender.RecordAsync(record, inherited, cancellationToken);
        Note(budget, decision, WithRecord(action, record), nameof(ActionKind.Suspend), inputs);
        return new(record, present, earlier);
    }

    private async Task SuspendAsync(
        ReadBudget budget,
        BudgetDecision decision,
        BudgetAction action,
        Prepared prepared,
        CancellationToken cancellationToken
    )
    {
        var (record, present, earlier) = prepared;
        using var turn = await TurnOf(record.Uid).EnterAsync(cancellationToken);
        if (control.ObserveOnly)
        {
            // Enforcement was switched off since this was decided: bursar release may be giving back what is suspended.
            suspender.Withdraw(record, earlier);
            return;
        }
        (record, var result) = await suspender.SuspendAsync(budget, record, present, earlier, cancellationToken);
        if (result is not (WriteResult.Done or WriteResult.AlreadySo))
            return;
        if (action.CountsForBreaker)
            control.Breaker.Record(decision.At);
        action = WithRecord(action, record);
        events.Acted(
            budget.Object,
            action with
            {
                Suspension = record.Cause,
                Sentence = action.IsAgain ? Messages.SuspendedAgain(record.Cause.RevertedBy, action.Sentence) : action.Sentence,
            },
            decision.WindowKey
        );
    }

    private async Task ResumeAsync(
        ReadBudget budget,
        BudgetDecision decision,
        BudgetAction action,
        string inputs,
        CancellationToken cancellationToken
    )
    {
        using var turn = await TurnOf(action.Workload.Uid).EnterAsync(cancellationToken);
        var record = store.State.SuspensionsBy(budget.Uid).FirstOrDefault(p => p.Uid == action.Workload.Uid);
        if (record is null || suspender.IsUnknown(record))
            return;
        // The memory with the new reservation stands in the ledger first: should this process die after the write below, the
        // record that is left is known to be out of date by it.
        Note(budget, decision, action, "Resume", inputs);
        await store.FlushBudgetAsync(budget.Uid, cancellationToken);

        var told = decision.WindowKey + "/" + decision.At.ToUnixTimeSeconds();
        var result = await suspender.ResumeAsync(record, budget.Object, action.Reason, cancellationToken);
        if (result is null)
            events.Agreed(budget.Object, action, told);
        else if (result is WriteResult.Done or WriteResult.AlreadySo)
            events.Acted(budget.Object, action, told);
    }

    /// <summary>
    /// A request is stored before the workload and its agents hear of it, and removed before they hear that it is withdrawn: the operator
    /// that comes after a death goes on from there and brings the annotations in line.
    /// </summary>
    private async Task RequestCheckpointAsync(
        ReadBudget budget,
        BudgetSnapshot snapshot,
        BudgetDecision decision,
        BudgetAction action,
        string inputs,
        CancellationToken cancellationToken
    )
    {
        var asks = action.Kind == ActionKind.RequestCheckpoint;
        var before = snapshot.Memory.Checkpoints.GetValueOrDefault(action.Workload.Uid)?.Id;
        if (asks ? before != action.CheckpointId : before is not null)
        {
            Note(budget, decision, action, action.Kind.ToString(), inputs);
            await store.FlushBudgetAsync(budget.Uid, cancellationToken);
        }
        await checkpoints.ActAsync(budget, action, isNew: before != action.CheckpointId, cancellationToken);
    }

    private AsyncLock TurnOf(string uid) => _turns[uid.Sum(letter => letter) % _turns.Length];

    private static BudgetAction WithRecord(BudgetAction action, SuspensionRecord record) =>
        record.CronJob is { } cronJob ? action with { Sentence = $"{action.Sentence} {Messages.CronJobWaits(cronJob.Object)}" } : action;

    /// <summary>Whether a budget's mode and the cluster's switch let anything be written for it.</summary>
    private static bool MayWrite(ReadBudget budget, BudgetSnapshot snapshot) =>
        budget.Terms.Mode == EnforcementMode.Enforce && !snapshot.ObserveOnly;

    private void Note(ReadBudget budget, BudgetDecision decision, BudgetAction action, string verb, string inputs) =>
        store.State.AddDecision(
            budget.Namespace,
            budget.Name,
            budget.Uid,
            new()
            {
                Time = decision.At,
                Action = verb,
                Object = $"{action.Workload.Kind}/{action.Workload.Name}",
                Reason = action.Reason,
                Text = action.Sentence,
                Limit = decision.Limit,
                Spent = decision.Spent,
                Inputs = inputs,
            }
        );
}
