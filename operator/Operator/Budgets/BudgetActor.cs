using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Billing;
using Bursar.Operator.Cluster;
using Bursar.Operator.Safety;
using Bursar.Operator.Suspension;
using Bursar.Operator.Telemetry;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Budgets;

/// <summary>
/// Does what a decision says, in an order that survives a death between any two steps: the ledger holds what is about to
/// happen before it happens, and lets go of it only after it was undone.
/// </summary>
internal sealed partial class BudgetActor(
    ClusterStores stores,
    LedgerStore store,
    WorkloadActor workloads,
    FieldRestorer restorer,
    CronJobSuspender cronJobs,
    EchoGuard echoes,
    BudgetEvents events,
    ControlSwitch control,
    CheckpointBoard checkpoints,
    ILogger<BudgetActor> logger
)
{
    /// <summary>Before the action of a decision that Observe mode did not carry out.</summary>
    public const string Would = "Would";

    private readonly WorkTurns _turns = new();

    private readonly System.Collections.Concurrent.ConcurrentDictionary<(string Budget, string Workload), bool> _unknown = new();

    /// <summary>A parking that is noted.</summary>
    /// <param name="Record">What the ledger holds.</param>
    /// <param name="Present">The field as it was read.</param>
    /// <param name="Earlier">The record of the parking before, where somebody undid that.</param>
    /// <param name="Snapshot">The cause.</param>
    private sealed record Parking(SuspensionRecord Record, string Present, SuspensionRecord? Earlier, ParkedSnapshot Snapshot);

    public async Task ActAsync(ReadBudget budget, BudgetSnapshot snapshot, BudgetDecision decision, CancellationToken cancellationToken)
    {
        if (decision.Actions.Count == 0)
            return;
        var inputs = DecisionInputs.Write(snapshot);
        // All that is to be parked stands in the ledger before the first of it is: one write, however much it is.
        var parkings = new Dictionary<string, Parking>(StringComparer.Ordinal);
        foreach (var action in decision.Actions.Where(a => a.Kind == ActionKind.Park))
            if (await PrepareAsync(budget, decision, action, inputs, cancellationToken) is { } parking)
                parkings[action.Workload.Uid] = parking;
        if (parkings.Count > 0)
        {
            await store.FlushArrivalsAsync(budget.Namespace, cancellationToken);
            await store.FlushBudgetAsync(budget.Uid, cancellationToken);
        }
        ApiException? failed = null;
        foreach (var action in decision.Actions)
        {
            try
            {
                if (action.Kind == ActionKind.Park)
                {
                    if (parkings.TryGetValue(action.Workload.Uid, out var parking))
                        await ParkAsync(budget, decision, action, parking, cancellationToken);
                }
                else if (action.Kind == ActionKind.Resume)
                    await ResumeAsync(budget, decision, action, inputs, cancellationToken);
                else
                    await AskAsync(budget, snapshot, decision, action, inputs, cancellationToken);
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
    /// Notes what Observe mode would have done: nothing is written but the ledger's own record, which status and <c>bursar explain</c>
    /// show.
    /// </summary>
    public void NoteObserved(ReadBudget budget, BudgetSnapshot snapshot, BudgetDecision decision)
    {
        if (decision.Observed.Count == 0)
            return;
        var inputs = DecisionInputs.Write(snapshot);
        foreach (var action in decision.Observed)
            Note(budget, decision, action, Would + action.Kind, inputs);
    }

    /// <summary>
    /// A parking whose answer was lost, or whose operator was stopped before it could say so, and that is now seen to
    /// have happened: the record says it, and so do the Events.
    /// </summary>
    public void ConfirmSeen(ReadBudget budget, BudgetSnapshot snapshot, BudgetDecision decision)
    {
        foreach (var record in store.State.ParkedBy(budget.Uid))
        {
            if (record.Cause is not { Confirmed: false } cause)
                continue;
            if (snapshot.Workloads.FirstOrDefault(w => w.Key.Uid == record.Uid) is not { State: WorkloadState.Parked } work)
                continue;
            cause = cause with { Confirmed = true };
            Replace(record with { Cause = cause });
            var decided = store
                .State.Decisions(budget.Uid)
                .LastOrDefault(d => d.Action == "Park" && d.Object == $"{record.Kind}/{record.Name}");
            events.Acted(
                budget.Object,
                new()
                {
                    Kind = ActionKind.Park,
                    Workload = work.Key,
                    Class = work.Class,
                    Reason = decided?.Reason ?? record.Reason,
                    Sentence = decided?.Text ?? record.Reason,
                    CostToFinish = record.CostToFinish,
                    Parked = cause,
                },
                decision.WindowKey
            );
        }
    }

    /// <summary>
    /// Records of work that was resumed by an operator which was stopped before it could take them out: the decision to resume
    /// stands in the memory, and the work runs.
    /// </summary>
    public async Task ForgetOutlivedAsync(ReadBudget budget, BudgetSnapshot snapshot, bool mayWrite, CancellationToken cancellationToken)
    {
        foreach (var record in store.State.ParkedBy(budget.Uid))
            if (
                snapshot.Workloads.FirstOrDefault(w => w.Key.Uid == record.Uid) is
                { Parked: null, State: WorkloadState.Running or WorkloadState.Pending }
            )
                await ForgetAsync(budget, record, mayWrite, cancellationToken);
    }

    /// <summary>
    /// Takes out the record of what is not parked any more. Where what makes it is held too that is given back first; until it is, the
    /// record stays.
    /// </summary>
    public async Task ForgetAsync(ReadBudget budget, SuspensionRecord record, bool mayWrite, CancellationToken cancellationToken)
    {
        if (record.CronJob is not null && !(mayWrite && await cronJobs.ResumeAsync(record, budget.Object, cancellationToken)))
            return;
        store.State.Unpark(budget.Uid, record.Uid, record.Field.Pointer);
    }

    /// <summary>
    /// Gives back what is parked for a budget that no longer selects it, or no longer exists; where other budgets hold it too, only
    /// this one's hold goes. True when the work was let go.
    /// </summary>
    /// <param name="record">What was suspended.</param>
    /// <param name="why">Why it comes back, as the rest of a sentence.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<bool> ReleaseAsync(SuspensionRecord record, string why, CancellationToken cancellationToken)
    {
        using var turn = await _turns.TakeAsync(record.Uid, cancellationToken);
        LogReleasing(record.Namespace, record.Name, record.Kind, record.Budget);
        var budget = stores.Budgets.Store.GetByUid(record.BudgetUid);
        var others = store
            .State.HeldByOthers(record.Namespace, record.BudgetUid)[record.Uid]
            .Where(other => other.Field.Pointer == record.Field.Pointer)
            .Select(other => $"budget {other.Budget}")
            .Distinct(StringComparer.Ordinal)
            .ToArray();
        if (store.State.LeaveToOthers(record.BudgetUid, record.Uid, record.Field.Pointer))
        {
            await store.FlushBudgetAsync(record.BudgetUid, cancellationToken);
            events.GivenBack(record, budget, Sentences.GivenBack(why, string.Join(" and ", others)), isHeld: true);
            return false;
        }
        if (IsUnknown(record))
            return false;
        var outcome = (await restorer.RestoreAsync(record, cancellationToken)).Result;
        echoes.Expect(record, parked: false);
        if (!await cronJobs.ResumeAsync(record, budget, cancellationToken))
            return false;
        store.State.Unpark(record.BudgetUid, record.Uid, record.Field.Pointer);
        await store.FlushBudgetAsync(record.BudgetUid, cancellationToken);
        if (outcome is WriteResult.Done)
            events.GivenBack(record, budget, Sentences.GivenBack(why, null), isHeld: false);
        return outcome is WriteResult.Done;
    }

    /// <summary>Notes in memory what is to be parked; null where there is nothing to write to.</summary>
    private async Task<Parking?> PrepareAsync(
        ReadBudget budget,
        BudgetDecision decision,
        BudgetAction action,
        string inputs,
        CancellationToken cancellationToken
    )
    {
        var snapshot = action.Parked!;
        if (action.Reason == Reasons.ParkedAgain)
        {
            var undone = store.State.ParkedBy(budget.Uid).FirstOrDefault(p => p.Uid == action.Workload.Uid);
            var by = undone is null ? null : await workloads.LastWriterAsync(undone, cancellationToken);
            snapshot = snapshot with { Undone = [.. snapshot.Undone, decision.At], UndoneBy = by ?? snapshot.UndoneBy };
        }
        var record = WorkloadActor.RecordOf(action.Workload, stores, action, budget.Name, budget.Uid, snapshot with { Confirmed = false });
        if (record is null)
            return null;
        bool IsOfTheSame(SuspensionRecord other) =>
            other.Uid == record.Uid && other.Field.Pointer == record.Field.Pointer && other.Field.Object.Uid == record.Field.Object.Uid;
        var earlier = store.State.ParkedBy(budget.Uid).FirstOrDefault(IsOfTheSame);
        var inherited = earlier ?? store.State.HeldByOthers(record.Namespace, budget.Uid)[record.Uid].FirstOrDefault(IsOfTheSame);
        // Decided of work that another budget held, and that one gave it back meanwhile: the next evaluation sees what it is now.
        if (action.IsHeldByOther && inherited is null)
            return null;
        var present = record.Field.Original;
        // What stood there before the first parking is what must come back, and what it said then is what selects it.
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

        record = await cronJobs.FindAsync(record, inherited, cancellationToken);
        Replace(record);
        Note(budget, decision, Told(action, record), "Park", inputs);
        return new(record, present, earlier, snapshot);
    }

    private async Task ParkAsync(
        ReadBudget budget,
        BudgetDecision decision,
        BudgetAction action,
        Parking parking,
        CancellationToken cancellationToken
    )
    {
        var (record, present, earlier, snapshot) = parking;
        using var turn = await _turns.TakeAsync(record.Uid, cancellationToken);
        if (control.ObserveOnly)
        {
            // Enforcement was switched off since this was decided: bursar release may be giving back what is suspended.
            if (earlier is not null)
                Replace(earlier);
            else
                store.State.Unpark(budget.Uid, record.Uid, record.Field.Pointer);
            return;
        }
        // First what makes such runs, then the run: between the two nothing else may take its place.
        record = await cronJobs.SuspendAsync(budget, record, cancellationToken);
        action = Told(action, record);
        LogParking(budget.Namespace, action.Workload.Name, action.Workload.Kind, budget.Name, action.Reason);
        var outcome = await workloads.ParkAsync(record, present, cancellationToken);
        switch (outcome)
        {
            case WriteResult.Done or WriteResult.AlreadySo:
                Replace(record with { Cause = snapshot with { Confirmed = true } });
                echoes.Expect(record, parked: true);
                if (action.CountsForBrake)
                    control.Brake.Parked(decision.At);
                events.Acted(
                    budget.Object,
                    action with
                    {
                        Parked = snapshot,
                        Sentence =
                            action.Reason == Reasons.ParkedAgain
                                ? Sentences.SuspendedAgain(snapshot.UndoneBy, action.Sentence)
                                : action.Sentence,
                    },
                    decision.WindowKey
                );
                break;
            case WriteResult.Gone:
                await ForgetAsync(budget, record, mayWrite: true, cancellationToken);
                break;
            default:
                // Changed in between: nothing was written, and the next evaluation sees what it is now. An earlier parking's record says
                // what must come back, whatever became of this one.
                if (earlier is not null)
                    Replace(earlier);
                else
                    await ForgetAsync(budget, record, mayWrite: true, cancellationToken);
                LogOvertaken(budget.Namespace, action.Workload.Name, action.Workload.Kind);
                break;
        }
    }

    private async Task ResumeAsync(
        ReadBudget budget,
        BudgetDecision decision,
        BudgetAction action,
        string inputs,
        CancellationToken cancellationToken
    )
    {
        using var turn = await _turns.TakeAsync(action.Workload.Uid, cancellationToken);
        var record = store.State.ParkedBy(budget.Uid).FirstOrDefault(p => p.Uid == action.Workload.Uid);
        if (record is null || IsUnknown(record))
            return;
        // The memory with the new reservation stands in the ledger first: should this process die after the write below, the
        // record that is left is known to be out of date by it.
        Note(budget, decision, action, "Resume", inputs);
        await store.FlushBudgetAsync(budget.Uid, cancellationToken);

        var told = decision.WindowKey + "/" + decision.At.ToUnixTimeSeconds();
        if (store.State.LeaveToOthers(budget.Uid, record.Uid, record.Field.Pointer))
        {
            // Both must agree: the field is given back by whoever is the last to hold it.
            LogLeaving(budget.Namespace, action.Workload.Name, action.Workload.Kind, budget.Name, action.Reason);
            await store.FlushBudgetAsync(budget.Uid, cancellationToken);
            events.Agreed(budget.Object, action, told);
            return;
        }

        LogResuming(budget.Namespace, action.Workload.Name, action.Workload.Kind, budget.Name, action.Reason);
        var outcome = (await restorer.RestoreAsync(record, cancellationToken)).Result;
        if (await cronJobs.ResumeAsync(record, budget.Object, cancellationToken))
            store.State.Unpark(budget.Uid, record.Uid, record.Field.Pointer);
        await store.FlushBudgetAsync(budget.Uid, cancellationToken);
        if (outcome is WriteResult.Done or WriteResult.AlreadySo)
        {
            echoes.Expect(record, parked: false);
            events.Acted(budget.Object, action, told);
        }
        else
        {
            LogOvertaken(budget.Namespace, action.Workload.Name, action.Workload.Kind);
        }
    }

    /// <summary>
    /// A request stands in the ledger before the work and its agents hear of it, and is off it before they hear that it is taken back:
    /// whoever comes after a death goes on from there and brings the mirrors in line.
    /// </summary>
    private async Task AskAsync(
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
        LogAsking(budget.Namespace, action.Workload.Name, action.Workload.Kind, budget.Name, action.CheckpointId!, asks);
        if (asks)
            checkpoints.Add(budget.Uid, action.Workload.Uid, action.Checkpoint!);
        var outcome = await workloads.MirrorRequestAsync(action.Workload, action.CheckpointId!, asks, cancellationToken);
        // What only clears a mirror that was left behind is nobody's news.
        if (action.Checkpoint is not null && (outcome is WriteResult.Done || before != action.CheckpointId))
            events.Asked(budget.Object, action);
    }

    /// <summary>Takes the mirrors off that a budget which is no more has left.</summary>
    public async Task ClearRequestsAsync(string ns, string budget, string budgetUid, CancellationToken cancellationToken)
    {
        checkpoints.Set(budgetUid, []);
        foreach (var kind in stores.Kinds)
        foreach (var work in kind.In(ns))
            if (
                work.Metadata.Annotations.TryGetValue(BursarAnnotations.CheckpointRequested, out var id)
                && id.StartsWith(budget + "/", StringComparison.Ordinal)
            )
                await workloads.MirrorRequestAsync(TopWorkload.Of(work).Key, id, asked: false, cancellationToken);
    }

    /// <summary>Whether only another version can resume the workload. The record stays for that version; it is logged once.</summary>
    private bool IsUnknown(SuspensionRecord record)
    {
        if (FieldRestorer.WhyNot(record.Field) is not { } whyNot)
            return false;
        if (_unknown.TryAdd((record.BudgetUid, record.Uid), true))
            LogUnknown(record.Namespace, record.Name, record.Kind, record.Budget, whyNot);
        return true;
    }

    private static BudgetAction Told(BudgetAction action, SuspensionRecord record) =>
        record.CronJob is { } cronJob ? action with { Sentence = $"{action.Sentence} {Sentences.MakerWaits(cronJob.Object)}" } : action;

    /// <summary>A workload has one record of a budget: one of a field that did not hold it is out of date.</summary>
    private void Replace(SuspensionRecord record) => store.State.Repark(record);

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

    [LoggerMessage(
        Level = LogLevel.Information,
        Message = "Parking: namespace={namespace} name={name} kind={kind} budget={budget} reason={reason}"
    )]
    private partial void LogParking(string @namespace, string name, string kind, string budget, string reason);

    [LoggerMessage(
        Level = LogLevel.Information,
        Message = "Request for a checkpoint: namespace={namespace} name={name} kind={kind} budget={budget} id={id} asked={asked}"
    )]
    private partial void LogAsking(string @namespace, string name, string kind, string budget, string id, bool asked);

    [LoggerMessage(
        Level = LogLevel.Information,
        Message = "Resuming: namespace={namespace} name={name} kind={kind} budget={budget} reason={reason}"
    )]
    private partial void LogResuming(string @namespace, string name, string kind, string budget, string reason);

    [LoggerMessage(
        Level = LogLevel.Information,
        Message = "Letting go of what another budget still holds: namespace={namespace} name={name} kind={kind} budget={budget} reason={reason}"
    )]
    private partial void LogLeaving(string @namespace, string name, string kind, string budget, string reason);

    [LoggerMessage(
        Level = LogLevel.Information,
        Message = "Releasing what no budget holds any more: namespace={namespace} name={name} kind={kind} budget={budget}"
    )]
    private partial void LogReleasing(string @namespace, string name, string kind, string budget);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "Could not resume workload, its record is kept: namespace={namespace} name={name} kind={kind} budget={budget} reason={reason}"
    )]
    private partial void LogUnknown(string @namespace, string name, string kind, string budget, string reason);

    [LoggerMessage(
        Level = LogLevel.Information,
        Message = "Someone else changed it in between, nothing was written: namespace={namespace} name={name} kind={kind}"
    )]
    private partial void LogOvertaken(string @namespace, string name, string kind);
}
