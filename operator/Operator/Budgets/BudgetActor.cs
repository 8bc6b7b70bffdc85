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
/// Carries out a decision. An operator that dies between any two steps loses nothing, because each suspension is stored in the ledger
/// before it is written and its record is removed only after the restore.
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
    /// <summary>Prefix of an action that Observe mode reports but does not carry out.</summary>
    public const string Would = "Would";

    /// <summary>
    /// Locks by workload. Two budgets can act on one workload at the same time, and each must read the records, write and record as one
    /// step. The number of locks exceeds the number of concurrent passes, so workloads rarely share one.
    /// </summary>
    private readonly AsyncLock[] _turns = [.. Enumerable.Range(0, 64).Select(_ => new AsyncLock(time, "acts on one workload"))];

    /// <summary>A suspension that is recorded and not yet written.</summary>
    /// <param name="Record">The record in the ledger.</param>
    /// <param name="Present">The current value of the field.</param>
    /// <param name="Earlier">The record of the earlier suspension, which another client reverted.</param>
    private sealed record Prepared(SuspensionRecord Record, string Present, SuspensionRecord? Earlier);

    /// <summary>Writes the state of a budget to the ledger.</summary>
    public Task StoreAsync(ReadBudget budget, CancellationToken cancellationToken) => store.FlushBudgetAsync(budget.Uid, cancellationToken);

    /// <summary>
    /// Updates the records of suspensions and the checkpoint requests of agents from a snapshot and its decision. It suspends and resumes
    /// nothing.
    /// </summary>
    public async Task RecordAsync(ReadBudget budget, BudgetSnapshot snapshot, BudgetDecision decision, CancellationToken cancellationToken)
    {
        if (decision.Observed.Count > 0)
        {
            // Observe mode writes only this record, which status and bursar explain show.
            var inputs = DecisionInputs.Write(snapshot);
            foreach (var action in decision.Observed)
                AddDecision(budget, decision, action, Would + action.Kind, inputs);
        }
        var mayWrite = MayWrite(budget, snapshot);
        foreach (var key in decision.StaleRecords)
        foreach (var record in store.State.SuspensionsBy(budget.Uid).Where(p => p.Uid == key.Uid))
            await suspender.ForgetAsync(record, budget.Object, mayWrite, cancellationToken);
        ConfirmSeen(budget, snapshot, decision);
        // An earlier leader resumed these workloads and died before it removed their records.
        foreach (var record in store.State.SuspensionsBy(budget.Uid))
            if (
                snapshot.Workloads.FirstOrDefault(w => w.Key.Uid == record.Uid) is
                { Suspension: null, State: WorkloadState.Running or WorkloadState.Pending }
            )
                await suspender.ForgetAsync(record, budget.Object, mayWrite, cancellationToken);
        checkpoints.Publish(budget, snapshot, decision);
    }

    /// <summary>Suspends, resumes and requests checkpoints, as decided.</summary>
    /// <exception cref="ApiException">The first object that could not be written. All others were written.</exception>
    public async Task ActAsync(ReadBudget budget, BudgetSnapshot snapshot, BudgetDecision decision, CancellationToken cancellationToken)
    {
        if (decision.Actions.Count == 0)
            return;
        var inputs = DecisionInputs.Write(snapshot);
        // Store all suspensions in the ledger with one write before the first workload is suspended.
        var prepared = new Dictionary<string, Prepared>(StringComparer.Ordinal);
        foreach (var action in decision.Actions.Where(a => a.Kind == ActionKind.Suspend))
            if (await PrepareAsync(budget, decision, action, inputs, cancellationToken) is { } suspension)
                prepared[action.Workload.Uid] = suspension;
        if (prepared.Count > 0)
        {
            foreach (var ns in prepared.Values.Select(suspension => suspension.Record.Namespace).Distinct(StringComparer.Ordinal))
                await store.FlushArrivalsAsync(ns, cancellationToken);
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
                // Continue with the other objects.
                failed ??= error;
            }
        }
        if (failed is not null)
            throw failed;
    }

    /// <summary>
    /// Resumes suspended workloads that the budget no longer selects or that <c>bursar release</c> released, and removes the records of
    /// workloads that are gone.
    /// </summary>
    /// <exception cref="ApiException">The first object that could not be written. All others were written.</exception>
    public async Task ReleaseStraysAsync(ReadBudget budget, BudgetSnapshot snapshot, CancellationToken cancellationToken)
    {
        var selected = snapshot.Workloads.Select(w => w.Key.Uid).ToHashSet(StringComparer.Ordinal);
        ApiException? failed = null;
        foreach (
            var record in store.State.SuspensionsBy(budget.Uid).Where(p => snapshot.ReleasedAt is not null || !selected.Contains(p.Uid))
        )
        {
            var isOver =
                stores.CacheOf(record.Kind) is { } cache
                && cache.Get(record.Namespace, record.Name, record.Uid) is not { IsFinished: false };
            if (isOver)
                await suspender.ForgetAsync(record, budget.Object, MayWrite(budget, snapshot), cancellationToken);
            else if (MayWrite(budget, snapshot))
                try
                {
                    await ReleaseAsync(
                        record,
                        selected.Contains(record.Uid)
                            ? $"{BudgetNames.Display(budget.Object)} was released by bursar release"
                            : $"{BudgetNames.Display(budget.Object)} does not select it any more",
                        cancellationToken
                    );
                }
                catch (ApiException error)
                {
                    // Continue with the other objects.
                    failed ??= error;
                }
        }
        if (failed is not null)
            throw failed;
    }

    /// <summary>
    /// Resumes a workload for a budget that no longer selects it or no longer exists. If other budgets suspend it too, only this budget's
    /// record is removed. Returns whether the workload was resumed.
    /// </summary>
    /// <param name="record">The suspension.</param>
    /// <param name="why">The reason, as the rest of a sentence.</param>
    /// <param name="cancellationToken">Cancels the writes.</param>
    public async Task<bool> ReleaseAsync(SuspensionRecord record, string why, CancellationToken cancellationToken)
    {
        using var turn = await TurnOf(record.Uid).EnterAsync(cancellationToken);
        var budget = stores.Coverage.Find(record.BudgetUid);
        var others = store
            .State.SuspendedByOthers([record.Namespace], record.BudgetUid)[record.Uid]
            .Where(other => other.Field.Pointer == record.Field.Pointer)
            .Select(BudgetNames.Display)
            .Distinct(StringComparer.Ordinal)
            .ToArray();
        var result = await suspender.ReleaseAsync(record, budget, cancellationToken);
        if (result is null)
            events.Restored(record, budget, Messages.Restored(why, string.Join(" and ", others)), isStillSuspended: true);
        else if (result is WriteResult.Done)
            events.Restored(record, budget, Messages.Restored(why, null), isStillSuspended: false);
        return result is WriteResult.Done;
    }

    public void Forget(string budgetUid) => checkpoints.Forget(budgetUid);

    /// <summary>Withdraws a deleted budget's checkpoint requests from the agents and removes their annotations.</summary>
    public Task ClearRequestsAsync(string ns, string budget, string budgetUid, CancellationToken cancellationToken) =>
        checkpoints.ClearAsync(ns, budget, budgetUid, cancellationToken);

    /// <summary>
    /// Confirms a suspension whose response was lost, or whose operator died before it recorded the success. It marks the record as
    /// confirmed and emits the Event.
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
                .LastOrDefault(d => d.Action == nameof(ActionKind.Suspend) && d.Object == record.Workload.DisplayName(budget.Namespace));
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

    /// <summary>Records a suspension in memory. Null if there is no object to write to.</summary>
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
        var record = WorkloadActor.RecordOf(action.Workload, stores, action, budget, snapshot with { Confirmed = false });
        if (record is null)
            return null;
        bool IsOfTheSame(SuspensionRecord other) =>
            other.Uid == record.Uid && other.Field.Pointer == record.Field.Pointer && other.Field.Object.Uid == record.Field.Object.Uid;
        var earlier = store.State.SuspensionsBy(budget.Uid).FirstOrDefault(IsOfTheSame);
        var inherited = earlier ?? store.State.SuspendedByOthers([record.Namespace], budget.Uid)[record.Uid].FirstOrDefault(IsOfTheSame);
        // The decision was made while another budget suspended the workload, and that budget has resumed it. The next evaluation decides
        // again.
        if (action.IsSuspendedByOtherBudget && inherited is null)
            return null;
        var present = record.Field.Original;
        // Restore the value from before the first suspension, and select the workload by the labels that it had then.
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
                Labels = budget.LabelsOf(
                    stores.CacheOf(action.Workload.Kind)?.Get(action.Workload.Namespace, action.Workload.Name)?.Labels ?? StringMap.Empty
                ),
            };
        record = await suspender.RecordAsync(record, inherited, cancellationToken);
        AddDecision(budget, decision, WithRecord(action, record), nameof(ActionKind.Suspend), inputs);
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
            // Observe-only mode was switched on after the decision, and bursar release may be resuming workloads now.
            suspender.Withdraw(record, earlier);
            return;
        }
        (record, var result) = await suspender.SuspendAsync(budget, record, present, earlier, cancellationToken);
        if (result is not (WriteResult.Done or WriteResult.AlreadySo))
            return;
        if (action.CountsForBreaker)
            control.Breaker.Record(action.Workload.Uid, decision.At);
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
        // Store the memory with the new reservation first. If this process dies after the write below, the next leader can tell from it
        // that the record is out of date.
        AddDecision(budget, decision, action, "Resume", inputs);
        await store.FlushBudgetAsync(budget.Uid, cancellationToken);

        var eventKey = decision.WindowKey + "/" + decision.At.ToUnixTimeSeconds();
        var result = await suspender.ResumeAsync(record, budget.Object, action.Reason, cancellationToken);
        if (result is null)
            events.Agreed(budget.Object, action, eventKey);
        else if (result is WriteResult.Done or WriteResult.AlreadySo)
            events.Acted(budget.Object, action, eventKey);
    }

    /// <summary>
    /// Stores a request before it reaches the workload and its agents, and removes it before they are informed of the withdrawal. After a
    /// crash the next leader continues from the stored state and corrects the annotations.
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
        var isRequest = action.Kind == ActionKind.RequestCheckpoint;
        var before = snapshot.Memory.Checkpoints.GetValueOrDefault(action.Workload.Uid)?.Id;
        if (isRequest ? before != action.CheckpointId : before is not null)
        {
            AddDecision(budget, decision, action, action.Kind.ToString(), inputs);
            await store.FlushBudgetAsync(budget.Uid, cancellationToken);
        }
        await checkpoints.ActAsync(budget, action, isNew: before != action.CheckpointId, cancellationToken);
    }

    private AsyncLock TurnOf(string uid) => _turns[uid.Sum(letter => letter) % _turns.Length];

    private static BudgetAction WithRecord(BudgetAction action, SuspensionRecord record) =>
        record.CronJob is { } cronJob ? action with { Sentence = $"{action.Sentence} {Messages.CronJobWaits(cronJob.Object)}" } : action;

    /// <summary>Whether the budget's mode and observe-only mode allow writes for it.</summary>
    private static bool MayWrite(ReadBudget budget, BudgetSnapshot snapshot) =>
        budget.Terms.Mode == EnforcementMode.Enforce && !snapshot.ObserveOnly;

    private void AddDecision(ReadBudget budget, BudgetDecision decision, BudgetAction action, string verb, string inputs) =>
        store.State.AddDecision(
            budget.Namespace,
            budget.Name,
            budget.Uid,
            new()
            {
                Time = decision.At,
                Action = verb,
                Object = action.Workload.DisplayName(budget.Namespace),
                Reason = action.Reason,
                Text = action.Sentence,
                Limit = decision.Limit,
                Spent = decision.Spent,
                Inputs = inputs,
            }
        );
}
