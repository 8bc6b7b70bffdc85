using System.Text.Json;
using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Kube.Client;
using Bursar.Kube.Objects;
using Bursar.Operator.Control;
using Bursar.Operator.Metering;
using Bursar.Operator.Workloads;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Budgets;

/// <summary>
/// Does what a decision says, in an order that survives a death between any two steps: the ledger holds what is about to
/// happen before it happens, and lets go of it only after it was undone.
/// </summary>
public sealed partial class BudgetActor(
    ClusterStores stores, GpuLedger ledger, LedgerStore store, WorkloadActor workloads, EchoGuard echoes, BudgetEvents events, ClusterBrake brake, ILogger<BudgetActor> logger)
{
    public async Task ActAsync(ReadBudget budget, BudgetSnapshot snapshot, BudgetDecision decision, CancellationToken cancellationToken)
    {
        if (decision.Actions.Count == 0) return;
        var inputs = JsonSerializer.Serialize(snapshot, DecisionJson.Default.BudgetSnapshot);
        ApiException? failed = null;
        foreach (var action in decision.Actions)
        {
            try
            {
                if (action.Kind == ActionKind.Park) await ParkAsync(budget, decision, action, inputs, cancellationToken);
                else await ResumeAsync(budget, decision, action, inputs, cancellationToken);
            }
            catch (ApiException error)
            {
                // One object that cannot be written must not hold up the stop of the others.
                failed ??= error;
            }
        }
        if (failed is not null) throw failed;
    }

    /// <summary>
    /// A parking whose answer was lost, or whose operator was stopped before it could say so, and that is now seen to
    /// have happened: the record says it, and so do the Events.
    /// </summary>
    public void ConfirmSeen(ReadBudget budget, BudgetSnapshot snapshot, BudgetDecision decision)
    {
        foreach (var record in ledger.ParkedBy(budget.Uid))
        {
            if (ParkedCause.Read(record) is not { Confirmed: false } cause) continue;
            if (snapshot.Workloads.FirstOrDefault(w => w.Key.Uid == record.Uid) is not { State: WorkloadState.Parked } work) continue;
            cause = cause with { Confirmed = true };
            Replace(record with { Cause = ParkedCause.Write(cause) });
            var decided = ledger.Decisions(budget.Uid).LastOrDefault(d => d.Action == "Park" && d.Object == $"{record.Kind}/{record.Name}");
            events.Acted(budget.Object, new()
            {
                Kind = ActionKind.Park,
                Workload = work.Key,
                Class = work.Class,
                Reason = decided?.Reason ?? record.Reason,
                Sentence = decided?.Text ?? record.Reason,
                CostToFinish = record.CostToFinish,
                Parked = cause,
            }, decision.WindowKey);
        }
    }

    /// <summary>
    /// Records of work that was resumed by an operator which was stopped before it could take them out: the decision to resume
    /// stands in the memory, and the work runs.
    /// </summary>
    public async Task ForgetOutlivedAsync(ReadBudget budget, BudgetSnapshot snapshot, CancellationToken cancellationToken)
    {
        foreach (var record in ledger.ParkedBy(budget.Uid))
            if (snapshot.Workloads.FirstOrDefault(w => w.Key.Uid == record.Uid) is { Parked: null, State: WorkloadState.Running or WorkloadState.Pending })
                await ForgetAsync(record, MayWrite(budget, snapshot), cancellationToken);
    }

    /// <summary>Takes out the record of what is not parked any more. Where its maker is held too that is given back first; until it is, the record stays.</summary>
    public async Task ForgetAsync(ParkedRecord record, bool mayWrite, CancellationToken cancellationToken)
    {
        if (record.Maker is not null && !(mayWrite && await FreeMakerAsync(record, cancellationToken))) return;
        ledger.Unpark(record.Uid, record.Field);
    }

    /// <summary>Whether a budget's mode and the cluster's switch let anything be written for it.</summary>
    public static bool MayWrite(ReadBudget budget, BudgetSnapshot snapshot) => budget.Terms.Mode == EnforcementMode.Enforce && !snapshot.SwitchedToObserve;

    /// <summary>Gives back what is parked for a budget that no longer selects it, or no longer exists. True when the record is gone.</summary>
    public async Task<bool> ReleaseAsync(ParkedRecord record, CancellationToken cancellationToken)
    {
        LogReleasing(record.Namespace, record.Name, record.Kind, record.Budget);
        var outcome = await workloads.RestoreAsync(record, cancellationToken);
        echoes.Expect(record, parked: false);
        if (!await FreeMakerAsync(record, cancellationToken)) return false;
        ledger.Unpark(record.Uid, record.Field);
        await store.FlushBudgetAsync(ledger, record.BudgetUid, cancellationToken);
        return outcome is ActOutcome.Done;
    }

    private async Task ParkAsync(ReadBudget budget, BudgetDecision decision, BudgetAction action, string inputs, CancellationToken cancellationToken)
    {
        var snapshot = action.Parked!;
        if (action.Reason == Reasons.ParkedAgain) snapshot = snapshot with { Undone = [.. snapshot.Undone, decision.At] };
        var record = WorkloadActor.RecordOf(action.Workload, stores, action, budget.Name, budget.Uid, ParkedCause.Write(snapshot with { Confirmed = false }));
        if (record is null) return;
        var earlier = ledger.ParkedBy(budget.Uid).FirstOrDefault(p => p.Uid == record.Uid && p.Field == record.Field);
        // What stood there before the first parking is what must come back.
        if (earlier is not null) record = record with { Original = earlier.Original };
        record = record with { Maker = await MakerOfAsync(record, earlier, cancellationToken) };
        if (record.Maker is { } maker) action = action with { Sentence = $"{action.Sentence} {Sentences.MakerWaits(maker)}" };

        Replace(record);
        Note(budget, decision, action, "Park", inputs);
        await store.FlushBudgetAsync(ledger, budget.Uid, cancellationToken);

        // First the CronJob, then its run: between the two nothing else may take the run's place.
        if (record.Maker is not null) record = await HoldMakerAsync(budget, record, cancellationToken);

        LogParking(budget.Namespace, action.Workload.Name, action.Workload.Kind, budget.Name, action.Reason);
        var outcome = await workloads.ParkAsync(record, cancellationToken);
        switch (outcome)
        {
            case ActOutcome.Done or ActOutcome.AlreadySo:
                Replace(record with { Cause = ParkedCause.Write(snapshot with { Confirmed = true }) });
                echoes.Expect(record, parked: true);
                if (action.ByForecast) brake.Parked(decision.At);
                events.Acted(budget.Object, action with { Parked = snapshot }, decision.WindowKey);
                break;
            case ActOutcome.Gone:
                await ForgetAsync(record, mayWrite: true, cancellationToken);
                break;
            default:
                // Changed in between: nothing was written, and the next evaluation sees what it is now.
                await ForgetAsync(record, mayWrite: true, cancellationToken);
                LogOvertaken(budget.Namespace, action.Workload.Name, action.Workload.Kind);
                break;
        }
    }

    private async Task ResumeAsync(ReadBudget budget, BudgetDecision decision, BudgetAction action, string inputs, CancellationToken cancellationToken)
    {
        var record = ledger.ParkedBy(budget.Uid).FirstOrDefault(p => p.Uid == action.Workload.Uid);
        if (record is null) return;
        // The memory with the new reservation stands in the ledger first: should this process die after the write below, the
        // record that is left is known to be out of date by it.
        Note(budget, decision, action, "Resume", inputs);
        await store.FlushBudgetAsync(ledger, budget.Uid, cancellationToken);

        LogResuming(budget.Namespace, action.Workload.Name, action.Workload.Kind, budget.Name, action.Reason);
        var outcome = await workloads.RestoreAsync(record, cancellationToken);
        if (await FreeMakerAsync(record, cancellationToken))
        {
            ledger.Unpark(record.Uid, record.Field);
            if (record.Maker is { } maker) events.MakerFreed(budget.Object, record, maker);
        }
        await store.FlushBudgetAsync(ledger, budget.Uid, cancellationToken);
        if (outcome is ActOutcome.Done or ActOutcome.AlreadySo)
        {
            echoes.Expect(record, parked: false);
            events.Acted(budget.Object, action, decision.WindowKey + "/" + decision.At.ToUnixTimeSeconds());
        }
        else
        {
            LogOvertaken(budget.Namespace, action.Workload.Name, action.Workload.Kind);
        }
    }

    /// <summary>
    /// What makes the run that is to be parked, and what stood in it. Where another run of it is parked already, its switch is Bursar's
    /// doing: what that record says comes back.
    /// </summary>
    private async Task<HeldMaker?> MakerOfAsync(ParkedRecord record, ParkedRecord? earlier, CancellationToken cancellationToken)
    {
        if (earlier?.Maker is { } known) return known;
        if (stores.Of(record.Kind)?.Get(record.Namespace, record.Name, record.Uid) is not { } work || work.Metadata.ControllerReference() is not { } owner || !MakerActor.IsMaker(owner)) return null;
        return ledger.Parked().FirstOrDefault(other => other.Maker?.Uid == owner.Uid)?.Maker ?? await workloads.Makers.FindAsync(work.Metadata, cancellationToken);
    }

    private async Task<ParkedRecord> HoldMakerAsync(ReadBudget budget, ParkedRecord record, CancellationToken cancellationToken)
    {
        var maker = record.Maker!;
        try
        {
            switch (await workloads.Makers.HoldAsync(record, cancellationToken))
            {
                case ActOutcome.Done:
                    events.MakerHeld(budget.Object, record, maker);
                    return record;
                case ActOutcome.AlreadySo:
                    return record;
                default:
                    // Gone, or suspended by somebody else since it was read: then it is not Bursar's to give back.
                    record = record with { Maker = null };
                    Replace(record);
                    return record;
            }
        }
        catch (ApiException error)
        {
            // The run is what costs: it is parked all the same. Whether this write came through is not known, so the record keeps it.
            LogMakerFailed(error, record.Namespace, maker.Name, maker.Kind);
            return record;
        }
    }

    /// <summary>True when nothing of this record holds its maker any more.</summary>
    private async Task<bool> FreeMakerAsync(ParkedRecord record, CancellationToken cancellationToken)
    {
        if (record.Maker is not { } maker || ledger.Parked().Any(other => other.Maker?.Uid == maker.Uid && other.Uid != record.Uid)) return true;
        try
        {
            await workloads.Makers.FreeAsync(record, cancellationToken);
            return true;
        }
        catch (ApiException error)
        {
            LogMakerFailed(error, record.Namespace, maker.Name, maker.Kind);
            return false;
        }
    }

    private void Replace(ParkedRecord record)
    {
        ledger.Unpark(record.Uid, record.Field);
        ledger.Park(record);
    }

    private void Note(ReadBudget budget, BudgetDecision decision, BudgetAction action, string verb, string inputs) =>
        ledger.AddDecision(budget.Namespace, budget.Name, budget.Uid, new()
        {
            Time = decision.At,
            Action = verb,
            Object = $"{action.Workload.Kind}/{action.Workload.Name}",
            Reason = action.Reason,
            Text = action.Sentence,
            Inputs = inputs,
        });

    [LoggerMessage(Level = LogLevel.Information, Message = "Parking: namespace={namespace} name={name} kind={kind} budget={budget} reason={reason}")]
    private partial void LogParking(string @namespace, string name, string kind, string budget, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "Resuming: namespace={namespace} name={name} kind={kind} budget={budget} reason={reason}")]
    private partial void LogResuming(string @namespace, string name, string kind, string budget, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "Releasing what no budget holds any more: namespace={namespace} name={name} kind={kind} budget={budget}")]
    private partial void LogReleasing(string @namespace, string name, string kind, string budget);

    [LoggerMessage(Level = LogLevel.Warning, Message = "What makes the runs could not be written; it is tried again with them: namespace={namespace} name={name} kind={kind}")]
    private partial void LogMakerFailed(Exception error, string @namespace, string name, string kind);

    [LoggerMessage(Level = LogLevel.Information, Message = "Someone else changed it in between, nothing was written: namespace={namespace} name={name} kind={kind}")]
    private partial void LogOvertaken(string @namespace, string name, string kind);
}
